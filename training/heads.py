"""HeadHyperModel: every head the search may try, and what it may look at, over cached features."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np

from training import run_logs
from training.detector import Column

if TYPE_CHECKING:
    import keras

SPACE_VERSION = 5
"""Part of a search's key: raise it with every change to this file, so that an old search is never carried on."""


LABEL_SMOOTHING = 0.1
"""Of the loss that heads are trained on and ranked by.

A few dozen validation images are soon separated without an error, and the plain loss then prefers whichever head is
loudest. Smoothed, every image counts by how far it stands from its side. Measured on 437 faces in four folds of 30 random
heads each: unseen AUC of the head with the lowest loss .985 without smoothing, .999 with 0.1, .993 with 0.2.
"""

BLOCK = 512
"""Images that are calculated with at a time."""


OTHER = -1.0
"""What a voice is to say of another generator's image: nothing."""


def _parts(first: float, last: float) -> Callable[[list[str]], list[str]]:
    return lambda taps: taps[int(first * len(taps)) : max(1, round(last * len(taps)))]


TAP_SETS: dict[str, Callable[[list[str]], list[str]]] = {
    "all": _parts(0, 1),
    "early": _parts(0, 0.5),
    "middle": _parts(0.25, 0.75),
    "late": _parts(0.5, 1),
    "every third": lambda taps: taps[::-3],
    "top": lambda taps: taps[-1:],
}
"""Which taps a head looks at, given all of them from the pixels up."""

HYPERPARAMETERS = (
    *("base", "signals", "taps", "sizes", "statistics"),
    *("layers", "units", "dropout", "weight_decay", "learning_rate"),
)

STATISTICS = {"mean": ("mean",), "mean+std": ("mean", "std")}


@dataclass(frozen=True)
class TrainingFaces:
    """Cached features and labels of the two splits that training may see.

    Attributes:
        columns: what the numbers are.
        train, validation: float32, shape (images, views, width).
        train_labels, validation_labels: 1 for generated, 0 for real, shape (images,).
        train_sources, validation_sources: where each image is from; empty if all generated images are to be taken for one.
    """

    columns: list[Column]
    train: np.ndarray
    validation: np.ndarray
    train_labels: np.ndarray
    validation_labels: np.ndarray
    train_sources: Sequence[str] = ()
    validation_sources: Sequence[str] = ()

    @functools.cached_property
    def generators(self) -> list[str]:
        """The generated sources that heads learn from, if there are several: a head has one voice for each."""
        named = zip(self.train_sources, self.train_labels, strict=False)
        found = sorted({source for source, label in named if label == 1})
        return found if len(found) > 1 else []

    @functools.cached_property
    def mean_and_variance(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every number over all views of the training images, each of shape (width,)."""
        images, views, width = self.train.shape
        mean, variance = np.zeros(width), np.zeros(width)
        for part in blocks(self.train):
            mean += part.sum(axis=(0, 1), dtype=np.float64) / (images * views)
        centre = mean.astype(np.float32)
        for part in blocks(self.train):
            variance += np.square(part - centre).sum(axis=(0, 1), dtype=np.float64) / (images * views)
        return centre, variance.astype(np.float32)

    def arrays(self, columns: Sequence[Column]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(x, y) of train and of validation over all views: x (images * views, width), y (images * views, 1).

        With several generators y is (images * views, generators, 1), and -1 where an image is another generator's.
        """
        index = indices(columns)
        train = self.targets(self.train_labels, self.train_sources)
        validation = self.targets(self.validation_labels, self.validation_sources)
        both = ((self.train, train), (self.validation, validation))
        (x, y), (x_val, y_val) = ((_rows(values, index), _tiled(targets, values.shape[1])) for values, targets in both)
        return x, y, x_val, y_val

    def targets(self, labels: np.ndarray, sources: Sequence[str]) -> np.ndarray:
        """What every voice should say of images, (images, 1) or (images, generators, 1)."""
        if not self.generators:
            return labels[:, None].astype(np.float32)
        named = np.array(sources)
        each = [np.where(labels == 0, 0.0, np.where(named == name, 1.0, OTHER)) for name in self.generators]
        return np.stack(each, axis=1)[..., None].astype(np.float32)


def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """The array in pieces along its first axis, so that nothing made of them needs much memory."""
    for start in range(0, len(values), BLOCK):
        yield values[start : start + BLOCK]


def _rows(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.concatenate([values[:, view][:, index] for view in range(values.shape[1])])


def _tiled(targets: np.ndarray, views: int) -> np.ndarray:
    return np.concatenate([targets] * views)


def indices(columns: Sequence[Column]) -> np.ndarray:
    return np.concatenate([np.arange(column.start, column.stop) for column in columns])


def sizes_on_offer(columns: Sequence[Column]) -> dict[str, tuple[int, ...]]:
    """Every input size alone, and all of them together."""
    return _on_offer(column.size for column in columns)


def signals_on_offer(columns: Sequence[Column]) -> dict[str, tuple[str, ...]]:
    """Every signal alone, and all of them together."""
    return _on_offer(column.signal for column in columns)


def _on_offer(all_values: Iterable) -> dict[str, tuple]:
    values = tuple(dict.fromkeys(all_values))
    return {"+".join(map(str, values)): values, **{str(value): (value,) for value in values}}


def chosen(columns: Sequence[Column], values: Mapping[str, Any]) -> list[Column]:
    """The columns that a trial's values for signals, taps, sizes and statistics stand for; without `signals` all of them."""
    taps = TAP_SETS[values["taps"]](list(dict.fromkeys(column.tap for column in columns)))
    sizes = sizes_on_offer(columns)[values["sizes"]]
    statistics = STATISTICS[values["statistics"]]
    offered = signals_on_offer(columns)
    signals = offered[values.get("signals", next(iter(offered)))]
    return [c for c in columns if c.tap in taps and c.size in sizes and c.signal in signals and c.statistic in statistics]


class HeadHyperModel(keras_tuner.HyperModel):
    """Heads on the cached features of several bases: one search, one leaderboard.

    Args:
        faces: features and labels, by base.
        batch_size: rows of a training step.

    Attributes:
        log_folder: the run that the next trial is logged to; set by the search, trial by trial.
    """

    def __init__(self, faces: Mapping[str, TrainingFaces], batch_size: int):
        super().__init__()
        self.faces = faces
        self.batch_size = batch_size
        self.log_folder: Path | None = None

    def build(self, hp: keras_tuner.HyperParameters) -> "keras.Model":
        base = hp.Choice("base", list(self.faces))
        hp.Choice("signals", list(signals_on_offer(self.faces[base].columns)))
        hp.Choice("taps", list(TAP_SETS))
        hp.Choice("sizes", list(sizes_on_offer(self.faces[base].columns)))
        hp.Choice("statistics", list(STATISTICS))
        layers = hp.Int("layers", 0, 2)
        with hp.conditional_scope("layers", [1, 2]):
            units = hp.Choice("units", [32, 64, 128]) if layers else 0
        dropout = hp.Float("dropout", 0, 0.6, step=0.1)
        # Little regularisation is a strong answer on these features, so the range goes down to almost none.
        decay = hp.Float("weight_decay", 1e-6, 1e-1, sampling="log")
        rate = hp.Float("learning_rate", 1e-4, 3e-3, sampling="log")
        faces = self.faces[base]
        return build_head(faces, chosen(faces.columns, hp.values), layers, units, dropout, decay, rate)

    def fit(self, hp: keras_tuner.HyperParameters, model: "keras.Model", *args, **kwargs):
        shown = {name: hp.values.get(name, 0) for name in HYPERPARAMETERS}
        logged = [run_logs.callback(self.log_folder, shown)] if self.log_folder else []
        callbacks = [*kwargs.pop("callbacks", ()), *logged]
        faces = self.faces[hp.get("base")]
        arrays = faces.arrays(chosen(faces.columns, hp.values))
        return fit_head(model, arrays, self.batch_size, patience=5, callbacks=callbacks, **kwargs)


def build_head(
    faces: TrainingFaces, columns: Sequence[Column], layers: int, units: int, dropout: float, decay: float, rate: float
) -> "keras.Model":
    """A head as `untrained_head` makes it, compiled."""
    import keras

    head = untrained_head(faces, columns, layers, units, dropout)
    auc = [keras.metrics.AUC(name="auc", from_logits=True)]
    head.compile(
        keras.optimizers.AdamW(rate, weight_decay=decay),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        **{"weighted_metrics" if faces.generators else "metrics": auc},
    )
    return head


def untrained_head(
    faces: TrainingFaces, columns: Sequence[Column], layers: int, units: int, dropout: float, name: str = "head"
) -> "keras.Model":
    """From the columns' features (n, width) to a logit (n, 1); it standardises as the training images ask.

    With several generators a logit for each of them, (n, generators, 1), which `one_logit` joins.
    """
    import keras

    # A frozen BatchNormalization is standardisation that every runtime knows; its epsilon tames dead channels.
    standardise = keras.layers.BatchNormalization(center=False, scale=False, epsilon=1e-6, trainable=False, name="standardise")
    index, voices = indices(columns), len(faces.generators)
    steps = [keras.Input((len(index),)), standardise, keras.layers.Dropout(dropout)]
    for _ in range(layers):
        steps += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout)]
    # From zero, a linear head starts undecided everywhere and moves only as far as the data asks.
    steps.append(keras.layers.Dense(voices or 1, kernel_initializer="glorot_uniform" if layers else "zeros", name="logit"))
    if voices:
        steps.append(keras.layers.Reshape((voices, 1)))
    head = keras.Sequential(steps, name=name)
    standardise.set_weights([values[index] for values in faces.mean_and_variance])
    return head


def one_logit(head: "keras.Model") -> "keras.Model":
    """The same head with one logit (n, 1): of several voices the log of their mean exponential, which the surest rules."""
    import keras

    (logits,) = head.outputs
    if len(logits.shape) == 2:
        return head
    voices = logits.shape[1]
    together = keras.ops.logsumexp(logits, axis=1)
    return keras.Model(head.inputs[0], keras.layers.Rescaling(1.0, offset=-math.log(voices))(together), name=head.name)


def fit_head(model: "keras.Model", arrays, batch_size: int, patience: int, callbacks=(), **kwargs):
    """Trains until the validation loss has not fallen for `patience` epochs; keeps the best epoch's weights.

    Both classes weigh the same, in every voice.
    """
    import keras

    x, y, x_val, y_val = arrays
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    if y.ndim == 2:
        data = {"x": x, "y": y, "sample_weight": weights_of(y)[:, 0], "validation_data": (x_val, y_val)}
    else:
        (weight, y), (weight_val, y_val) = ((weights_of(targets[..., 0]), np.maximum(targets, 0)) for targets in (y, y_val))
        data = {"x": x, "y": y, "sample_weight": weight, "validation_data": (x_val, y_val, weight_val)}
    return model.fit(
        **data,
        batch_size=batch_size,
        callbacks=[*callbacks, stop],
        verbose=0,
        **{name: value for name, value in kwargs.items() if name in ("epochs", "initial_epoch")},
    )


def smoothed(labels: np.ndarray) -> np.ndarray:
    """What the loss compares with, for labels 0 and 1; in their precision."""
    return labels * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 2


def weights_of(targets: np.ndarray) -> np.ndarray:
    """Of every row in every voice, (rows, voices): both classes weigh the same; 0 for another generator's images."""
    found = np.zeros(targets.shape, dtype=np.float32)
    for label in (0, 1):
        mine = targets == label
        found += mine * (0.5 * len(targets) / np.maximum(mine.sum(axis=0), 1))
    return found
