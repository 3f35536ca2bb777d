"""`python -m benchmarks.gpu`: extraction, the heads and fine-tuning on a GPU, beside what the card
can do at best.

For Keras on TensorFlow, JAX or PyTorch (`KERAS_BACKEND=jax`). XLA is measured, not assumed: where
it can be switched, with and without. Without a GPU it says so and measures the CPU. Random weights
take as long as trained ones.
"""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tyro

from benchmarks.measuring import Measurement, print_measurements
from runtime import console

IMAGE_SIDE_PX, TIMED_TURNS = 224, 5


@dataclass(frozen=True)
class ComputeMode:
    """How a model calculates: Keras' dtype policy, and whether XLA compiles it."""

    policy: str
    xla: bool

    @property
    def name(self) -> str:
        return f"{self.policy}{', XLA' if self.xla else ''}"


def main(
    batch: int = 256, side: int = 8192, bases: tuple[str, ...] = ("mobilenet_v2", "xception")
) -> None:
    """Measures the device that Keras calculates on.

    Args:
        batch: pictures at a time.
        side: of the square matrices behind the ceilings.
        bases: of the frozen features.
    """
    from training import keras_startup

    keras_startup.start_keras()
    import keras

    device = next(iter(keras.distribution.list_devices("gpu")), "the CPU: no GPU was found")
    console.print_heading(f"Keras {keras.__version__} on {keras.backend.backend()}, {device}")
    policies = ("float32", "mixed_bfloat16")
    print_measurements("What the device can do", measure_ceilings(side, policies))
    ways = [
        ComputeMode(policy, xla) for policy, xla in itertools.product(policies, list_xla_choices())
    ]
    for base in bases:
        print_measurements(
            f"{base} at {IMAGE_SIDE_PX} px, {batch} pictures at a time",
            [figure for way in ways for figure in measure_base(base, batch, way)],
        )
    print_measurements("A wave of heads", [measure_heads(way) for way in ways])


def list_xla_choices() -> tuple[bool, ...]:
    """JAX compiles everything with XLA; PyTorch's compiler is another one, and is not measured."""
    import keras

    return {"tensorflow": (False, True), "jax": (True,)}.get(keras.backend.backend(), (False,))


def measure_median_seconds(work: Callable[[], object]) -> float:
    """Median over turns; `work` returns what has to be there before the clock is stopped."""
    found = []
    for _ in range(TIMED_TURNS + 1):
        start = time.perf_counter()
        _wait_for_result(work())
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def _wait_for_result(result: object) -> None:
    import keras

    for each in keras.tree.flatten(result):
        if hasattr(each, "ndim"):
            np.asarray(keras.ops.convert_to_numpy(keras.ops.ravel(each)[:1]))


def measure_ceilings(side: int, policies: tuple[str, ...]) -> list[Measurement]:
    """A matrix product at each precision, and a copy, on the device."""
    import keras

    found, matrix = [], np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    for policy in policies:
        there = keras.ops.cast(
            keras.ops.convert_to_tensor(matrix), keras.DTypePolicy(policy).compute_dtype
        )
        taken = measure_median_seconds(lambda there=there: keras.ops.matmul(there, there))
        found.append(
            Measurement(f"matrix product, {policy}", 2 * side**3 / taken / 1e12, "TFLOP/s")
        )
    there = keras.ops.convert_to_tensor(matrix)
    return [
        *found,
        Measurement(
            "copy", 2 * matrix.nbytes / measure_median_seconds(lambda: there + 1) / 1e9, "GB/s"
        ),
    ]


def measure_base(name: str, batch: int, way: ComputeMode) -> list[Measurement]:
    """Pictures in, all taps out; and a step of training with the upper half of the blocks
    opened."""
    import keras

    from finetuning import unfreezing
    from training.bases.base_models import build_base
    from training.bases.loaded_base import LoadedBase
    from training.features import layout

    keras.config.set_dtype_policy(way.policy)
    try:
        base = LoadedBase.from_model(build_base(name))
        extractor = layout.build_extractor_model(base, (IMAGE_SIDE_PX,), IMAGE_SIDE_PX)
        extractor.compile(jit_compile=way.xla)
        pixels = (
            np.random.default_rng(0)
            .uniform(0, 255, (batch, IMAGE_SIDE_PX, IMAGE_SIDE_PX, 3))
            .astype(np.float32)
        )
        extracting = measure_median_seconds(lambda: extractor.predict_on_batch(pixels))
        blocks = unfreezing.split_into_blocks(base)
        unfreezing.unfreeze_blocks(base, blocks[: len(blocks) // 2])
        tuned = keras.Model(
            extractor.input, keras.layers.Dense(1, dtype="float32")(extractor.output)
        )
        tuned.compile(
            keras.optimizers.AdamW(1e-5),
            keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=way.xla,
        )
        few, labels = pixels[: batch // 4], (np.arange(batch // 4) % 2).astype(np.float32)[:, None]
        tuning = measure_median_seconds(lambda: tuned.train_on_batch(few, labels))
    finally:
        keras.config.set_dtype_policy("float32")
    return [
        Measurement(f"features, {way.name}", batch / extracting, "images/s"),
        Measurement(
            f"fine-tuning the upper half of the blocks, {way.name}", len(few) / tuning, "images/s"
        ),
    ]


def measure_heads(
    way: ComputeMode, rows: int = 20_000, width: int = 5632, heads: int = 16, batch: int = 1024
) -> Measurement:
    """Sixteen linear heads as one matrix, the features kept on the device: rows a second, all heads
    together."""
    import keras

    keras.config.set_dtype_policy(way.policy)
    try:
        inputs = keras.Input((width,))
        model = keras.Model(inputs, keras.layers.Dense(heads, dtype=way.policy)(inputs))
        model.compile(
            keras.optimizers.AdamW(1e-3),
            keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=way.xla,
        )
        draw = np.random.default_rng(0)
        x = keras.ops.convert_to_tensor(draw.normal(size=(rows, width)).astype(np.float32))
        y = keras.ops.convert_to_tensor((draw.random((rows, heads)) < 0.5).astype(np.float32))
        taken = measure_median_seconds(
            lambda: [
                model.train_on_batch(x[at : at + batch], y[at : at + batch])
                for at in range(0, rows, batch)
            ]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    return Measurement(
        f"{heads} linear heads on {width} features, {way.name}", heads * rows / taken, "rows/s"
    )


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.gpu"))
