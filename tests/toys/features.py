"""Features made of noise, of which the first eight tell the classes apart."""

import dataclasses

import numpy as np

from training.features.layout import Column
from training.features.training_features import TrainingFeatures

TAP_NAMES = [f"tap{number}" for number in range(9)]
FEATURE_COLUMNS = [
    Column(size, tap, statistic, start, start + 2)
    for start, (size, tap, statistic) in enumerate(
        (s, t, st) for s in (32, 64) for t in TAP_NAMES for st in ("mean", "std")
    )
]
FEATURE_COLUMNS = [
    Column(c.size, c.tap, c.statistic, 2 * n, 2 * n + 2) for n, c in enumerate(FEATURE_COLUMNS)
]
FEATURE_WIDTH = FEATURE_COLUMNS[-1].stop


def make_toy_features(count: int = 60, views: int = 2) -> TrainingFeatures:
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 2
    values = draw.normal(size=(count, views, FEATURE_WIDTH)).astype(np.float32) * 3 + 5
    values[:, :, :8] += 4 * labels[:, None, None]
    half = count // 2
    return TrainingFeatures(
        FEATURE_COLUMNS, values[:half], values[half:], labels[:half], labels[half:]
    )


def assign_generators(faces: TrainingFeatures, *names: str) -> TrainingFeatures:
    """The toy faces, their generated images from several sources in turn."""
    given = [
        [
            "camera" if label == 0 else names[number % len(names)]
            for number, label in enumerate(labels)
        ]
        for labels in (faces.train_labels, faces.validation_labels)
    ]
    return dataclasses.replace(faces, train_sources=given[0], validation_sources=given[1])
