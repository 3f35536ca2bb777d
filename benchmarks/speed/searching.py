"""Measure head search: batched, one by one in Keras, and with the frozen base inside the model."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measuring import Measurement, measure_seconds
from training.bases import loaded_base, weights
from training.dataset import Dataset, load_dataset
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
"""Trials stop early after five epochs without a gain at the soonest, so each of these runs to its
end with every trainer."""

LONG_TRIAL_EPOCHS = 10


@dataclass(frozen=True)
class CachedFeatures:
    """A data set with its features of MobileNetV2 at IMAGE_SIDE_PX.

    Attributes:
        work_folder: folder for the searches.
        extraction_s: seconds that extraction took.
    """

    work_folder: Path
    dataset: Dataset
    features: "TrainingFeatures"
    extraction_s: float

    def measure_search(
        self, name: str, epochs: int, trainer: TrainerName = "batched"
    ) -> tuple[float, list["HeadTrial"]]:
        """Return the seconds of a search, and its trials.

        Every search has the same trials, and writes curves and weights.
        """
        from training.head_search import search

        folder = self.work_folder / name
        folders = RunFolders(folder, folder / "logs", folder)
        config = SearchConfig(
            tuner="random",
            trainer=trainer,
            trials=SEARCH_TRIALS,
            epochs=epochs,
            batch_size=64,
            seed=0,
        )
        features, trials = {"mobilenet_v2": self.features}, []
        seconds = measure_seconds(
            lambda: trials.extend(search.search_heads(features, config, name, folders))
        )
        return seconds, trials

    def describe(self, epochs: int) -> str:
        images = len(self.dataset.train) + len(self.dataset.validation)
        return (
            f"{images} images, {SEARCH_TRIALS} trials of {epochs} epochs, "
            f"MobileNetV2 at {IMAGE_SIDE_PX} px"
        )


def cache_features(work_folder: Path, dataset_folder: Path) -> CachedFeatures:
    """Extract the features of a data set that has none in its cache."""
    from training.features.training_features import SplitFeatures, TrainingFeatures

    data = load_dataset(dataset_folder.parent, dataset_folder)
    extractor = Extractor(
        weights.find_base_weights("mobilenet_v2"), (IMAGE_SIDE_PX,), IMAGE_SIDE_PX
    )
    records, tables = data.train + data.validation, []
    extraction_s = measure_seconds(
        lambda: tables.append(
            feature_cache.load_or_compute_features(dataset_folder, records, extractor, [0])
        )
    )
    table, n_train = tables[0], len(data.train)
    train = SplitFeatures(table.values[:n_train], data.encode_labels(data.train))
    validation = SplitFeatures(table.values[n_train:], data.encode_labels(data.validation))
    return CachedFeatures(
        work_folder,
        data,
        TrainingFeatures(table.columns, train, validation),
        extraction_s,
    )


def measure_short_search(work_folder: Path, dataset_folder: Path) -> list[Measurement]:
    """Compare batched search with one by one in Keras, and with the base inside the model.

    Args:
        work_folder: folder for the searches.
        dataset_folder: a data set whose features at IMAGE_SIDE_PX are not in its cache.
    """
    cached = cache_features(work_folder, dataset_folder)
    batched = [cached.measure_search("first batched", SHORT_TRIAL_EPOCHS)[0]]
    one_by_one = cached.measure_search("one by one", SHORT_TRIAL_EPOCHS, trainer="keras")[0]
    batched += [
        cached.measure_search(f"{number} batched", SHORT_TRIAL_EPOCHS)[0]
        for number in ("second", "third")
    ]
    ratios = tuple(one_by_one / seconds for seconds in batched)
    uncached = SEARCH_TRIALS * measure_uncached_trial(
        cached.dataset, "mobilenet_v2", IMAGE_SIDE_PX
    ).estimate_seconds(SHORT_TRIAL_EPOCHS)
    batched_median = statistics.median(batched)
    return [
        Measurement(
            f"search, {cached.describe(SHORT_TRIAL_EPOCHS)}",
            batched_median,
            "s",
            repetitions=tuple(batched),
        ),
        Measurement(
            "the same trials, one by one in Keras",
            statistics.median(ratios),
            "x",
            promised_min=10,
            repetitions=ratios,
        ),
        Measurement("extraction of their features", cached.extraction_s, "s"),
        Measurement(
            "the same with the base inside the model, over extraction and search (extrapolated)",
            uncached / (cached.extraction_s + batched_median),
            "x",
        ),
    ]


def measure_long_search(work_folder: Path, dataset_folder: Path) -> list[Measurement]:
    """Measure a search of more epochs, and the same trials with the base inside the model.

    A trial that stopped early counts with the epochs that it ran, in both.
    """
    from training.head_search.heads import TRIAL_PATIENCE_EPOCHS

    cached = cache_features(work_folder, dataset_folder)
    runs = [
        cached.measure_search(f"{number} batched", LONG_TRIAL_EPOCHS)
        for number in ("first", "second", "third")
    ]
    batched = tuple(seconds for seconds, _ in runs)
    epochs = [min(trial.epochs + TRIAL_PATIENCE_EPOCHS, LONG_TRIAL_EPOCHS) for trial in runs[0][1]]
    uncached_time = measure_uncached_trial(cached.dataset, "mobilenet_v2", IMAGE_SIDE_PX)
    cached_total = cached.extraction_s + statistics.median(batched)
    uncached = sum(map(uncached_time.estimate_seconds, epochs))
    return [
        Measurement(
            f"search, {cached.describe(LONG_TRIAL_EPOCHS)}",
            statistics.median(batched),
            "s",
            repetitions=batched,
        ),
        Measurement("extraction of their features", cached.extraction_s, "s"),
        Measurement("epochs that these trials ran", sum(epochs)),
        Measurement(
            "the same with the base inside the model, over extraction and search (extrapolated)",
            uncached / cached_total,
            "x",
            promised_min=300,
        ),
    ]


@dataclass(frozen=True)
class UncachedTrialTime:
    """Seconds of a trial's first epoch, in which its graph is traced, and of every later one."""

    first_epoch_s: float
    later_epoch_s: float

    def estimate_seconds(self, epochs: int) -> float:
        return self.first_epoch_s + (epochs - 1) * self.later_epoch_s


def measure_uncached_trial(data: Dataset, name: str, side: int) -> UncachedTrialTime:
    """Time two epochs (training and validation) of a model with the frozen base inside."""
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
    fit_options = {"validation_data": (x_val, y_val), "batch_size": 64, "verbose": 0}
    first_epoch_s, later_epoch_s = (
        measure_seconds(lambda: model.fit(x, y, epochs=1, **fit_options)) for _ in range(2)
    )
    return UncachedTrialTime(first_epoch_s, later_epoch_s)
