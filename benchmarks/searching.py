"""The search over heads: many at once, one by one, and the usual way with the frozen base inside the model."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measuring import Figure, timed
from training import base_models, base_weights, dataset, feature_cache
from training.dataset import Dataset
from training.feature_cache import Extractor

if TYPE_CHECKING:
    from training.head_search import Trial
    from training.heads import TrainingFaces

SIDE, TRIALS = 160, 30

EPOCHS = 6
"""Trials end early after five epochs without a gain at the soonest, so each of these runs to its end, whoever trains it."""

MORE_EPOCHS = 10


@dataclass(frozen=True)
class Cached:
    """A data set with the features of MobileNetV2 at SIDE pixels: where searches may lie, and what extraction took."""

    place: Path
    faces: Dataset
    seen: "TrainingFaces"
    extraction: float

    def searched(self, name: str, epochs: int, one_by_one: bool = False) -> tuple[float, list["Trial"]]:
        """Seconds of a search, and its trials; each has the same ones, and writes curves and weights."""
        from training import head_search

        folders = self.place / name / "searches", self.place / name / "logs"
        seen, found = {"mobilenet_v2": self.seen}, []
        words = {"tuner": "random", "trials": TRIALS, "epochs": epochs, "batch_size": 64, "seed": 0, "one_by_one": one_by_one}
        seconds = timed(lambda: found.extend(head_search.search(seen, name, *folders, **words)))
        return seconds, found

    def what(self, epochs: int) -> str:
        images = len(self.faces.train) + len(self.faces.validation)
        return f"{images} images, {TRIALS} trials of {epochs} epochs, MobileNetV2 at {SIDE} px"


def cached(place: Path, data: Path) -> Cached:
    """Extracts the features of a data set whose cache does not hold them."""
    from training.heads import TrainingFaces

    faces = dataset.read(data.parent, data)
    extractor = Extractor(base_weights.find("mobilenet_v2"), (SIDE,), SIDE)
    records, found = faces.train + faces.validation, []
    extraction = timed(lambda: found.append(feature_cache.features(data, records, extractor, 1)))
    table, held = found[0], len(faces.train)
    labels = faces.labels(faces.train), faces.labels(faces.validation)
    return Cached(place, faces, TrainingFaces(table.columns, table.values[:held], table.values[held:], *labels), extraction)


def figures(place: Path, data: Path) -> list[Figure]:
    """Many at once beside one by one, and the usual way.

    Args:
        place: folder for the searches.
        data: a data set whose features at SIDE pixels are not in its cache.
    """
    one = cached(place, data)
    waves = [one.searched("first wave", EPOCHS)[0]]
    single = one.searched("one by one", EPOCHS, one_by_one=True)[0]
    waves += [one.searched(f"{number} wave", EPOCHS)[0] for number in ("second", "third")]
    ratios = tuple(single / wave for wave in waves)
    usual = TRIALS * usual_trial(one.faces, "mobilenet_v2", SIDE).seconds(EPOCHS)
    wave = statistics.median(waves)
    return [
        Figure(f"search, {one.what(EPOCHS)}", wave, "s", repetitions=tuple(waves)),
        Figure("the same trials, one by one in Keras", statistics.median(ratios), "x", least=10, repetitions=ratios),
        Figure("extraction of their features", one.extraction, "s"),
        Figure("the usual search over extraction and search (extrapolated)", usual / (one.extraction + wave), "x"),
    ]


def longer_figures(place: Path, data: Path) -> list[Figure]:
    """More epochs; a trial that ended early is counted with the epochs that it ran, in the usual search, too."""
    from training.wave import PATIENCE

    one = cached(place, data)
    runs = [one.searched(f"{number} wave", MORE_EPOCHS) for number in ("first", "second", "third")]
    waves = tuple(seconds for seconds, _ in runs)
    epochs = [min(trial.epochs + PATIENCE, MORE_EPOCHS) for trial in runs[0][1]]
    trial, whole = usual_trial(one.faces, "mobilenet_v2", SIDE), one.extraction + statistics.median(waves)
    usual = sum(map(trial.seconds, epochs))
    return [
        Figure(f"search, {one.what(MORE_EPOCHS)}", statistics.median(waves), "s", repetitions=waves),
        Figure("extraction of their features", one.extraction, "s"),
        Figure("epochs that these trials ran", sum(epochs)),
        Figure("the usual search over extraction and search (extrapolated)", usual / whole, "x", least=300),
    ]


@dataclass(frozen=True)
class Usual:
    """Seconds of the first epoch of a trial, in which its graph is traced, and of every later one."""

    first: float
    later: float

    def seconds(self, epochs: int) -> float:
        return self.first + (epochs - 1) * self.later


def usual_trial(data: Dataset, name: str, side: int) -> Usual:
    """Two epochs, training and validation, of a model that has the frozen base inside."""
    import keras

    base = base_weights.load(base_weights.find(name))
    base.trainable = False
    pixels = keras.Input((side, side, 3))
    features = base(base_models.preprocessed(pixels, name), training=False)
    model = keras.Model(pixels, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(features)))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    x, x_val = (
        np.stack([feature_cache.canonical(data.folder, record, side, 0) for record in part]).astype(np.float32)
        for part in (data.train, data.validation)
    )
    y, y_val = data.labels(data.train), data.labels(data.validation)
    words = {"validation_data": (x_val, y_val), "batch_size": 64, "verbose": 0}
    first, later = (timed(lambda: model.fit(x, y, epochs=1, **words)) for _ in range(2))
    return Usual(first, later)
