"""The search over heads: many at once, one by one, and the usual way with the frozen base inside
the model."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measuring import Measurement, measure_seconds
from training import dataset
from training.bases import loaded_base, weights
from training.dataset import Dataset
from training.features import feature_cache
from training.features import pixels as feature_pixels
from training.features.extractor import Extractor
from training.run_folders import RunFolders
from training.settings import SearchConfig, TrainerName

if TYPE_CHECKING:
    from training.features.training_features import TrainingFeatures
    from training.head_search.head_spec import HeadTrial

IMAGE_SIDE_PX, SEARCH_TRIALS = 160, 30

SHORT_TRIAL_EPOCHS = 6
"""Trials end early after five epochs without a gain at the soonest, so each of these runs to its
end, whoever trains it."""

LONG_TRIAL_EPOCHS = 10


@dataclass(frozen=True)
class CachedFeatures:
    """A data set with the features of MobileNetV2 at SIDE pixels: where searches may lie, and what
    extraction took."""

    place: Path
    faces: Dataset
    seen: "TrainingFeatures"
    extraction: float

    def searched(
        self, name: str, epochs: int, trainer: TrainerName = "batched"
    ) -> tuple[float, list["HeadTrial"]]:
        """Seconds of a search, and its trials; each has the same ones, and writes curves and
        weights."""
        from training.head_search import search

        folder = self.place / name
        folders = RunFolders(folder, folder / "logs", folder)
        config = SearchConfig(
            tuner="random",
            trainer=trainer,
            trials=SEARCH_TRIALS,
            epochs=epochs,
            batch_size=64,
            seed=0,
        )
        features, trials = {"mobilenet_v2": self.seen}, []
        seconds = measure_seconds(
            lambda: trials.extend(search.search_heads(features, config, name, folders))
        )
        return seconds, trials

    def what(self, epochs: int) -> str:
        images = len(self.faces.train) + len(self.faces.validation)
        return f"{images} images, {SEARCH_TRIALS} trials of {epochs} epochs, MobileNetV2 at {IMAGE_SIDE_PX} px"


def cache_features(place: Path, data: Path) -> CachedFeatures:
    """Extracts the features of a data set whose cache does not hold them."""
    from training.features.training_features import SplitFeatures, TrainingFeatures

    faces = dataset.load_dataset(data.parent, data)
    extractor = Extractor(
        weights.find_base_weights("mobilenet_v2"), (IMAGE_SIDE_PX,), IMAGE_SIDE_PX
    )
    records, found = faces.train + faces.validation, []
    extraction = measure_seconds(
        lambda: found.append(feature_cache.load_or_compute_features(data, records, extractor, 1))
    )
    table, held = found[0], len(faces.train)
    train = SplitFeatures(table.values[:held], faces.encode_labels(faces.train))
    validation = SplitFeatures(table.values[held:], faces.encode_labels(faces.validation))
    return CachedFeatures(
        place,
        faces,
        TrainingFeatures(table.columns, train, validation),
        extraction,
    )


def measure_short_search(place: Path, data: Path) -> list[Measurement]:
    """Many at once beside one by one, and the usual way.

    Args:
        place: folder for the searches.
        data: a data set whose features at SIDE pixels are not in its cache.
    """
    one = cache_features(place, data)
    waves = [one.searched("first wave", SHORT_TRIAL_EPOCHS)[0]]
    single = one.searched("one by one", SHORT_TRIAL_EPOCHS, trainer="keras")[0]
    waves += [
        one.searched(f"{number} wave", SHORT_TRIAL_EPOCHS)[0] for number in ("second", "third")
    ]
    ratios = tuple(single / wave for wave in waves)
    usual = SEARCH_TRIALS * measure_uncached_trial(
        one.faces, "mobilenet_v2", IMAGE_SIDE_PX
    ).seconds(SHORT_TRIAL_EPOCHS)
    wave = statistics.median(waves)
    return [
        Measurement(f"search, {one.what(SHORT_TRIAL_EPOCHS)}", wave, "s", repetitions=tuple(waves)),
        Measurement(
            "the same trials, one by one in Keras",
            statistics.median(ratios),
            "x",
            least=10,
            repetitions=ratios,
        ),
        Measurement("extraction of their features", one.extraction, "s"),
        Measurement(
            "the usual search over extraction and search (extrapolated)",
            usual / (one.extraction + wave),
            "x",
        ),
    ]


def measure_long_search(place: Path, data: Path) -> list[Measurement]:
    """More epochs; a trial that ended early is counted with the epochs that it ran, in the usual
    search, too."""
    from training.head_search.heads import TRIAL_PATIENCE_EPOCHS

    one = cache_features(place, data)
    runs = [
        one.searched(f"{number} wave", LONG_TRIAL_EPOCHS) for number in ("first", "second", "third")
    ]
    waves = tuple(seconds for seconds, _ in runs)
    epochs = [min(trial.epochs + TRIAL_PATIENCE_EPOCHS, LONG_TRIAL_EPOCHS) for trial in runs[0][1]]
    trial, whole = (
        measure_uncached_trial(one.faces, "mobilenet_v2", IMAGE_SIDE_PX),
        one.extraction + statistics.median(waves),
    )
    usual = sum(map(trial.seconds, epochs))
    return [
        Measurement(
            f"search, {one.what(LONG_TRIAL_EPOCHS)}",
            statistics.median(waves),
            "s",
            repetitions=waves,
        ),
        Measurement("extraction of their features", one.extraction, "s"),
        Measurement("epochs that these trials ran", sum(epochs)),
        Measurement(
            "the usual search over extraction and search (extrapolated)",
            usual / whole,
            "x",
            least=300,
        ),
    ]


@dataclass(frozen=True)
class UncachedTrialTime:
    """Seconds of the first epoch of a trial, in which its graph is traced, and of every later
    one."""

    first: float
    later: float

    def seconds(self, epochs: int) -> float:
        return self.first + (epochs - 1) * self.later


def measure_uncached_trial(data: Dataset, name: str, side: int) -> UncachedTrialTime:
    """Two epochs, training and validation, of a model that has the frozen base inside."""
    import keras

    base = loaded_base.load_base(weights.find_base_weights(name))
    base.model.trainable = False
    pixels = keras.Input((side, side, 3))
    features = base.model(base.preprocess(pixels), training=False)
    model = keras.Model(
        pixels, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(features))
    )
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    x, x_val = (
        np.stack(
            [feature_pixels.load_canonical_view(data.folder, record, side, 0) for record in part]
        ).astype(np.float32)
        for part in (data.train, data.validation)
    )
    y, y_val = data.encode_labels(data.train), data.encode_labels(data.validation)
    words = {"validation_data": (x_val, y_val), "batch_size": 64, "verbose": 0}
    first, later = (measure_seconds(lambda: model.fit(x, y, epochs=1, **words)) for _ in range(2))
    return UncachedTrialTime(first, later)
