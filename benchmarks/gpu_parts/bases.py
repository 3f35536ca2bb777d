"""Features of a base, and steps of fine-tuning it: on boundary activations, and whole."""

import itertools
import math
import types
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.gpu_parts.device import (
    ComputeMode,
    Workload,
    fit_batch,
    list_modes,
    measure_median_seconds,
    use_policy,
)
from benchmarks.measuring import Measurement
from finetuning import unfreezing
from finetuning.boundary import split_models
from training.bases.base_models import BASE_MODELS, build_base
from training.bases.loaded_base import LoadedBase
from training.detectors.assembly import EnsembleMember
from training.detectors.detector_parts import DetectorParts
from training.features import layout

if TYPE_CHECKING:
    import keras

MAX_IMAGE_SIDE_PX = 224
UNFROZEN_BLOCKS = 3


def measure(workload: Workload) -> list[Measurement]:
    """Measure every base in every mode."""
    rows = []
    works = itertools.product(workload.bases, list_modes(), (_measure_extraction, _measure_steps))
    for name, mode, measure_rows in workload.iterate_while_time(works):
        rows += measure_rows(name, mode, workload)
    return rows


def _choose_side(name: str) -> int:
    return BASE_MODELS[name].select_sizes((MAX_IMAGE_SIDE_PX,))[0]


def _make_pixels(batch: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (batch, side, side, 3)).astype(np.float32)


def _measure_extraction(name: str, mode: ComputeMode, workload: Workload) -> list[Measurement]:
    side = _choose_side(name)
    with use_policy(mode.policy):
        base = LoadedBase.from_model(build_base(name))
        extractor = layout.build_extractor_model(base, (side,), side)
    extractor.compile(jit_compile=mode.xla)

    def measure_rate(batch: int) -> float:
        pixels = _make_pixels(batch, side)
        return batch / measure_median_seconds(lambda: extractor.predict_on_batch(pixels))

    batch, rate = fit_batch(workload.batch, measure_rate)
    label = f"{name} at {side} px, batches of {batch}, {mode.name}"
    rows = [Measurement(f"features of {label}", rate, "images/s")]
    if mode.policy in workload.ceilings:
        share = 2 * count_products(base.model, side) * rate / 1e12 / workload.ceilings[mode.policy]
        rows.append(Measurement(f"... of the matrix product, {mode.name}", 100 * share, "%"))
    return rows


def count_products(base: "keras.Model", side: int) -> int:
    """Return how many products of two numbers the layers of a base compute for an image, without
    attention's own."""
    import keras

    model = keras.models.clone_model(base, input_tensors=keras.Input((side, side, 3)))
    total = 0
    for layer in model.layers:
        kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
        if kernels:
            places = math.prod(layer.output.shape[1:-1])
            total += places * sum(math.prod(kernel.shape) for kernel in kernels)
    return total


def build_parts(name: str, side: int) -> DetectorParts:
    """Build a detector that was never saved: a base of random weights, and a linear head on all of
    its features."""
    import keras

    base = LoadedBase.from_model(build_base(name))
    columns = layout.list_columns(base, (side,), ("picture",))
    width = sum(column.stop - column.start for column in columns)
    head = keras.Sequential([keras.Input((width,)), keras.layers.Dense(1, dtype="float32")])
    return DetectorParts(
        folder=Path(),
        card=types.SimpleNamespace(image_size=side),
        base=base,
        members=[EnsembleMember(columns, head, 1.0)],
        saved_weights=[],
    )


def _measure_steps(name: str, mode: ComputeMode, workload: Workload) -> list[Measurement]:
    """Measure training steps with the last blocks unfrozen, below them frozen."""
    side = _choose_side(name)
    with use_policy(mode.policy):
        parts = build_parts(name, side)
        blocks = unfreezing.split_into_blocks(parts.base)[:UNFROZEN_BLOCKS]
        activations = split_models.choose_boundary(parts, blocks, 1, math.inf)
        pixels = split_models.choose_boundary(parts, blocks, 1, 0)
        tails = {"on activations": activations, "through the whole base": pixels}
        tails = {way: (split_models.build_tail(parts, at), at) for way, at in tails.items()}
    unfreezing.unfreeze_blocks(parts.base, blocks)
    rows = []
    for way, (tail, boundary) in tails.items():
        batch, rate = fit_batch(
            max(1, workload.batch // 4),
            lambda batch, tail=tail, boundary=boundary: _measure_step_rate(
                tail, boundary, batch, mode
            ),
        )
        label = f"{name}'s last {len(blocks)} blocks, {way}, batches of {batch}, {mode.name}"
        rows.append(Measurement(f"fine-tuning {label}", rate, "images/s"))
    return rows


def _measure_step_rate(
    tail: "keras.Model", boundary: split_models.Boundary, batch: int, mode: ComputeMode
) -> float:
    import keras

    tail.compile(
        keras.optimizers.AdamW(1e-5),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=mode.xla,
    )
    rng = np.random.default_rng(0)
    x = [rng.random((batch, *shape), dtype=np.float32) for shape in boundary.shapes]
    y = (np.arange(batch) % 2).astype(np.float32)[:, None]
    return batch / measure_median_seconds(lambda: tail.train_on_batch(x, y))
