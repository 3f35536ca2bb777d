"""Features made of noise, of which the first eight separate the classes."""

import dataclasses

import numpy as np

from training.features.layout import Column
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.head_search.head_spec import HeadSpec

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
    """Return features of `count` images; the first half is the train split."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 2
    values = generator.normal(size=(count, views, FEATURE_WIDTH)).astype(np.float32) * 3 + 5
    values[:, :, :8] += 4 * labels[:, None, None]
    half = count // 2
    return TrainingFeatures(
        FEATURE_COLUMNS,
        SplitFeatures(values[:half], labels[:half]),
        SplitFeatures(values[half:], labels[half:], judged=values[half:, :1]),
    )


def assign_generators(features: TrainingFeatures, *names: str) -> TrainingFeatures:
    """Return the same features, their generated images from several sources in turn."""
    train, validation = (
        dataclasses.replace(
            split,
            sources=[
                "camera" if label == 0 else names[number % len(names)]
                for number, label in enumerate(split.labels)
            ],
        )
        for split in (features.train, features.validation)
    )
    return dataclasses.replace(features, train=train, validation=validation)


def make_toy_spec(**changes) -> HeadSpec:
    """Return a linear head without dropout on everything, with these changes."""
    values = {
        "base": "mobilenet_v2",
        "signals": ("picture",),
        "taps": "all",
        "sizes": (32, 64),
        "statistics": ("mean", "std"),
        "layers": 0,
        "units": 0,
        "dropout": 0.0,
        "weight_decay": 1e-4,
        "learning_rate": 1e-3,
    }
    return HeadSpec(**values | changes)
