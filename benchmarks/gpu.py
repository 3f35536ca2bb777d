"""Measure extraction, heads and fine-tuning on a GPU, and the limits of the card.

Run `python -m benchmarks.gpu`, with Keras on TensorFlow, JAX or PyTorch (`KERAS_BACKEND=jax`).
Where XLA can be switched, both settings are measured. Without a GPU it says so and measures the
CPU. Weights are random: they take as long as trained ones.
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
    """Keras' dtype policy, and whether XLA compiles the model."""

    policy: str
    xla: bool

    @property
    def name(self) -> str:
        return f"{self.policy}{', XLA' if self.xla else ''}"


def main(
    batch: int = 256, side: int = 8192, bases: tuple[str, ...] = ("mobilenet_v2", "xception")
) -> None:
    """Measure the device that Keras runs on.

    Args:
        batch: images in a batch.
        side: side of the square matrices whose product is the upper limit.
        bases: bases whose features are extracted.
    """
    from training import keras_startup

    keras_startup.start_keras()
    import keras

    device = next(iter(keras.distribution.list_devices("gpu")), "the CPU: no GPU was found")
    console.print_heading(f"Keras {keras.__version__} on {keras.backend.backend()}, {device}")
    policies = ("float32", "mixed_bfloat16")
    print_measurements("What the device can do", measure_ceilings(side, policies))
    modes = [
        ComputeMode(policy, xla) for policy, xla in itertools.product(policies, list_xla_choices())
    ]
    for base in bases:
        print_measurements(
            f"{base} at {IMAGE_SIDE_PX} px, batches of {batch} images",
            [row for mode in modes for row in measure_base(base, batch, mode)],
        )
    print_measurements("A batch of heads", [measure_heads(mode) for mode in modes])


def list_xla_choices() -> tuple[bool, ...]:
    """Return the XLA settings to measure: JAX always uses XLA, PyTorch has another compiler."""
    import keras

    return {"tensorflow": (False, True), "jax": (True,)}.get(keras.backend.backend(), (False,))


def measure_median_seconds(work: Callable[[], object]) -> float:
    """Return the median over turns; the clock stops once the result of `work` is computed."""
    seconds = []
    for _ in range(TIMED_TURNS + 1):
        start = time.perf_counter()
        _wait_for_result(work())
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _wait_for_result(result: object) -> None:
    import keras

    for tensor in keras.tree.flatten(result):
        if hasattr(tensor, "ndim"):
            np.asarray(keras.ops.convert_to_numpy(keras.ops.ravel(tensor)[:1]))


def measure_ceilings(side: int, policies: tuple[str, ...]) -> list[Measurement]:
    """Measure a matrix product at each precision, and a copy, on the device."""
    import keras

    measurements, matrix = [], np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    for policy in policies:
        matrix_on_device = keras.ops.cast(
            keras.ops.convert_to_tensor(matrix), keras.DTypePolicy(policy).compute_dtype
        )
        elapsed = measure_median_seconds(
            lambda matrix_on_device=matrix_on_device: keras.ops.matmul(
                matrix_on_device, matrix_on_device
            )
        )
        measurements.append(
            Measurement(f"matrix product, {policy}", 2 * side**3 / elapsed / 1e12, "TFLOP/s")
        )
    matrix_on_device = keras.ops.convert_to_tensor(matrix)
    return [
        *measurements,
        Measurement(
            "copy",
            2 * matrix.nbytes / measure_median_seconds(lambda: matrix_on_device + 1) / 1e9,
            "GB/s",
        ),
    ]


def measure_base(name: str, batch: int, mode: ComputeMode) -> list[Measurement]:
    """Measure extraction of all taps, and a training step with the upper half of the blocks
    unfrozen."""
    import keras

    from finetuning import unfreezing
    from training.bases.base_models import build_base
    from training.bases.loaded_base import LoadedBase
    from training.features import layout

    keras.config.set_dtype_policy(mode.policy)
    try:
        base = LoadedBase.from_model(build_base(name))
        extractor = layout.build_extractor_model(base, (IMAGE_SIDE_PX,), IMAGE_SIDE_PX)
        extractor.compile(jit_compile=mode.xla)
        pixels = (
            np.random.default_rng(0)
            .uniform(0, 255, (batch, IMAGE_SIDE_PX, IMAGE_SIDE_PX, 3))
            .astype(np.float32)
        )
        extraction_s = measure_median_seconds(lambda: extractor.predict_on_batch(pixels))
        blocks = unfreezing.split_into_blocks(base)
        unfreezing.unfreeze_blocks(base, blocks[: len(blocks) // 2])
        model = keras.Model(
            extractor.input, keras.layers.Dense(1, dtype="float32")(extractor.output)
        )
        model.compile(
            keras.optimizers.AdamW(1e-5),
            keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=mode.xla,
        )
        x, y = pixels[: batch // 4], (np.arange(batch // 4) % 2).astype(np.float32)[:, None]
        step_s = measure_median_seconds(lambda: model.train_on_batch(x, y))
    finally:
        keras.config.set_dtype_policy("float32")
    return [
        Measurement(f"features, {mode.name}", batch / extraction_s, "images/s"),
        Measurement(
            f"fine-tuning the upper half of the blocks, {mode.name}", len(x) / step_s, "images/s"
        ),
    ]


def measure_heads(
    mode: ComputeMode, rows: int = 20_000, width: int = 5632, heads: int = 16, batch: int = 1024
) -> Measurement:
    """Measure rows per second of linear heads trained as one matrix, all heads together, with the
    features on the device."""
    import keras

    keras.config.set_dtype_policy(mode.policy)
    try:
        inputs = keras.Input((width,))
        model = keras.Model(inputs, keras.layers.Dense(heads, dtype=mode.policy)(inputs))
        model.compile(
            keras.optimizers.AdamW(1e-3),
            keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=mode.xla,
        )
        rng = np.random.default_rng(0)
        x = keras.ops.convert_to_tensor(rng.normal(size=(rows, width)).astype(np.float32))
        y = keras.ops.convert_to_tensor((rng.random((rows, heads)) < 0.5).astype(np.float32))
        elapsed = measure_median_seconds(
            lambda: [
                model.train_on_batch(x[at : at + batch], y[at : at + batch])
                for at in range(0, rows, batch)
            ]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    return Measurement(
        f"{heads} linear heads on {width} features, {mode.name}", heads * rows / elapsed, "rows/s"
    )


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.gpu"))
