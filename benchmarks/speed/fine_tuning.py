"""Measure a fine-tuning step on cached activations against the whole model, in turns, on noise."""

import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.measuring import Measurement, measure_seconds
from finetuning import unfreezing
from finetuning.boundary import split_models
from training.bases import loaded_base, weights
from training.detectors.assembly import EnsembleMember
from training.detectors.detector_parts import DetectorParts
from training.features import layout

IMAGE_SIDE_PX, TRAINING_BATCH_SIZE, TIMED_ROUNDS = 160, 32, 9

UNFREEZING_CASES = (
    ("mobilenet_v2", "block16", "last block", 5.0),
    ("mobilenet_v2", "block14", "last three blocks", 3.0),
    ("xception", "top", "last block", 3.5),
)
"""Base, lowest unfrozen block, its description, and the promised ratio."""


def measure_fine_tuning() -> list[Measurement]:
    measurements = []
    for name in dict.fromkeys(case[0] for case in UNFREEZING_CASES):
        parts = build_linear_detector(name)
        measurements += [
            measure_speedup(parts, lowest_block, description, promised_min)
            for base, lowest_block, description, promised_min in UNFREEZING_CASES
            if base == name
        ]
    return measurements


def build_linear_detector(name: str) -> DetectorParts:
    """Build a pretrained base with a linear head on the mean of its last tap."""
    import keras

    base = loaded_base.load_base(weights.find_base_weights(name))
    columns = [
        column
        for column in layout.list_columns(base, (IMAGE_SIDE_PX,))
        if (column.tap, column.statistic) == ("top", "mean")
    ]
    head = keras.Sequential(
        [keras.Input((columns[0].stop - columns[0].start,)), keras.layers.Dense(1)], name="head1"
    )
    card = SimpleNamespace(image_size=IMAGE_SIDE_PX)
    return DetectorParts(
        folder=Path(),
        card=card,
        base=base,
        members=[EnsembleMember(columns, head, 1.0)],
        saved_weights=[base.model.get_weights(), head.get_weights()],
    )


def measure_speedup(
    parts: DetectorParts, lowest_block: str, description: str, promised_min: float
) -> Measurement:
    import keras

    blocks = unfreezing.split_into_blocks(parts.base)
    depth = unfreezing.parse_max_depth(lowest_block, blocks)
    unfreezing.unfreeze_blocks(parts.base, blocks[:depth])
    boundaries = [
        split_models.choose_boundary(parts, blocks[:depth], 1, max_gigabytes)
        for max_gigabytes in (1, 0)
    ]
    labels = (np.arange(TRAINING_BATCH_SIZE) % 2).astype(np.float32)[:, None]
    steps = []
    for boundary in boundaries:
        model = split_models.build_tail(parts, boundary)
        model.compile(
            keras.optimizers.Adam(1e-5), keras.losses.BinaryCrossentropy(from_logits=True)
        )
        rng = np.random.default_rng(0)
        x = tuple(
            rng.uniform(0, 255 if not boundary.tap else 1, (TRAINING_BATCH_SIZE, *shape)).astype(
                np.float32
            )
            for shape in boundary.shapes
        )
        model.train_on_batch(x, labels)
        steps.append(lambda model=model, x=x: model.train_on_batch(x, labels))
    ratios = tuple(
        measure_seconds(steps[1]) / measure_seconds(steps[0]) for _ in range(TIMED_ROUNDS)
    )
    title = (
        f"fine-tuning {parts.base.spec.name} at {IMAGE_SIDE_PX} px, "
        f"batches of {TRAINING_BATCH_SIZE}, {description}: whole model over cached activations"
    )
    return Measurement(
        title, statistics.median(ratios), "x", promised_min=promised_min, repetitions=ratios
    )
