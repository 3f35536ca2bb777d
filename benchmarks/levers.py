"""Levers that only the study of unseen generators pulls: frequency summaries, and opened blocks of the base."""

import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from finetuning import boundary_cache, unfreezing
from finetuning.boundary_cache import FROZEN, Boundary
from finetuning.parent import Parent
from training import base_models, base_weights, detector
from training.calibration import sigmoid
from training.detector import Column, Member
from training.feature_cache import Extractor
from training.heads import indices
from training.input_signals import resized
from validation import matrix_heads
from validation.matrix_heads import Lesson, Voices, sample_weights

if TYPE_CHECKING:
    import keras

WINDOW = 16
"""Side in pixels of the windows whose frequencies are looked at; they overlap by half."""

LUMA = (0.299, 0.587, 0.114)

OPENED_FROM, BATCH, EPOCHS, PATIENCE, RATE, DECAY = "block13", 32, 8, 2, 3e-5, 1e-3
"""Of fine-tuning: the tap that the opened blocks stand on (MobileNetV2: block14, block15, block16 and top are opened)."""

ACTIVATIONS = "activations"


class WithFrequencies(Extractor):
    """All taps, and mean and deviation of each of a window's 256 frequencies over all windows, as logarithms."""

    def identity(self) -> list:
        return [*super().identity(), "frequencies", WINDOW]

    def model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        taps, columns = super().model()
        (size,) = self.sizes
        found = [keras.ops.log(detector.pooled(*each) + 1.0) for each in self._strengths(resized(taps.input, size, "seen"))]
        start, ends = columns[-1].stop, WINDOW**2 * np.arange(len(found) + 1)
        mine = [
            Column(size, "frequencies", statistic, int(start + begin), int(start + end))
            for statistic, begin, end in zip(detector.STATISTICS, ends, ends[1:], strict=False)
        ]
        return keras.Model(taps.input, keras.layers.Concatenate()([taps.output, *found])), columns + mine

    def _strengths(self, pixels: "keras.KerasTensor") -> list[tuple["keras.KerasTensor", str]]:
        """What to pool, and how: the size of every frequency, and its deviation with its sign."""
        import keras

        waves = keras.layers.Conv2D(WINDOW**2, WINDOW, WINDOW // 2, use_bias=False, trainable=False, name="frequencies")
        strength = waves(pixels)
        waves.set_weights([cosines(WINDOW)])
        return [(keras.ops.abs(strength), "mean"), (strength, "std")]


class Frequencies(WithFrequencies):
    """The frequencies alone."""

    def identity(self) -> list:
        return [*super().identity(), "alone"]

    def model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        whole, columns = super().model()
        mine = [column for column in columns if column.tap == "frequencies"]
        start = mine[0].start
        columns = [Column(each.size, each.tap, each.statistic, each.start - start, each.stop - start) for each in mine]
        return keras.Model(whole.input, whole.output[:, start:]), columns


def cosines(side: int) -> np.ndarray:
    """The two-dimensional discrete cosine transform (type 2, orthonormal) of the luma; shape (side, side, 3, side * side)."""
    from scipy.fft import dct

    line = dct(np.eye(side), axis=0, norm="ortho")  # (frequency, place)
    waves = np.einsum("fy,gx->yxfg", line, line).reshape(side, side, 1, side * side)
    return (waves * np.array(LUMA).reshape(1, 1, 3, 1)).astype(np.float32)


class WithActivations(Extractor):
    """All taps, and the activations that the opened blocks start from."""

    def identity(self) -> list:
        return [*super().identity(), ACTIVATIONS, OPENED_FROM]

    def model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        base = base_weights.load(self.weights)
        name, (size,) = self.weights.base, self.sizes
        base.trainable = False
        columns = detector.layout(base, name, self.sizes, self.signals)
        pixels = keras.Input((self.side, self.side, 3), name="pixels")
        (signal,) = self.signals
        outputs = base_models.tapped(base, name)(detector.prepared(pixels, name, size, signal), training=False)
        by_tap = dict(zip(base_models.tap_names(base, name), outputs, strict=True))
        taps = detector.vector({each: detector.pooled(by_tap[each.tap], each.statistic) for each in columns}, columns)
        flat = keras.layers.Flatten()(by_tap[OPENED_FROM])
        start = columns[-1].stop
        column = Column(size, ACTIVATIONS, "all", start, start + flat.shape[-1], signal)
        return keras.Model(pixels, keras.layers.Concatenate()([taps, flat])), [*columns, column]


@dataclass(frozen=True)
class Tuned:
    """A detector from the opened blocks upwards.

    Attributes:
        model: (activations, features of the frozen taps) to a logit.
        boundary: what it starts from.
        frozen: columns of the frozen taps.
        activations: where these are.
    """

    model: "keras.Model"
    boundary: Boundary
    frozen: list[Column]
    activations: Column

    def inputs(self, features: np.ndarray) -> list[np.ndarray]:
        flat = features[:, self.activations.start : self.activations.stop]
        return [flat.reshape(-1, *self.boundary.shapes[0]), features[:, indices(self.frozen)]]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        logits = self.model.predict(self.inputs(features), batch_size=64, verbose=0)[:, 0]
        return sigmoid(logits.astype(np.float64))


def tuned(lesson: Lesson) -> Tuned:
    """Starts from ridge regression on all taps; trains it together with the opened blocks, as `python -m finetuning` does.

    BatchNormalization stays frozen. It ends with the epoch whose loss on the validation images was the lowest.
    """
    import keras

    settings, columns = lesson.settings, lesson.features.columns
    start = matrix_heads.HEADS["ridge"](lesson)
    keras.utils.set_random_seed(settings.seed)
    base = base_weights.load(base_weights.find(settings.base, settings.weights))
    found = unfreezing.blocks(base, settings.base)
    names = [block.name for block in found[: [block.below for block in found].index(OPENED_FROM) + 1]]
    unfreezing.open_blocks(base, found[: len(names)])
    frozen = [column for column in columns if column.tap not in (*names, ACTIVATIONS)]
    made = _tail(base, settings.base, columns, frozen, start)
    made.model.compile(keras.optimizers.AdamW(RATE, weight_decay=DECAY), keras.losses.BinaryCrossentropy(from_logits=True))
    views = lesson.views(lesson.train)
    rows = [np.repeat(each, views.shape[1]) for each in (lesson.them.label[lesson.train], sample_weights(lesson, lesson.train))]
    made.model.fit(
        made.inputs(views.reshape(-1, views.shape[2])),
        rows[0].astype(np.float32)[:, None],
        sample_weight=rows[1].astype(np.float32),
        validation_data=(
            made.inputs(lesson.features.plain[lesson.validation]),
            lesson.them.label[lesson.validation].astype(np.float32)[:, None],
            sample_weights(lesson, lesson.validation).astype(np.float32),
        ),
        epochs=EPOCHS,
        batch_size=BATCH,
        verbose=0,
        callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE, restore_best_weights=True)],
    )
    return made


def _tail(base: "keras.Model", name: str, columns: list[Column], frozen: list[Column], start: Voices) -> Tuned:
    """The tail of fine-tuning, with a linear head that says what ridge regression says."""
    import keras

    *taps, activations = columns
    head = keras.Sequential([keras.Input((activations.start,)), keras.layers.Dense(1)], name="head1")
    # ridge regression says -1 to 1; as logits that is -4 to 4
    head.set_weights([4 * start.weights[indices(taps)].astype(np.float32), 4 * start.bias.astype(np.float32)])
    channels = next(column.stop - column.start for column in taps if column.tap == OPENED_FROM)
    side = math.isqrt((activations.stop - activations.start) // channels)
    shapes = (side, side, channels), (sum(column.stop - column.start for column in frozen),)
    boundary = Boundary(OPENED_FROM, (ACTIVATIONS, FROZEN), shapes, "float32")
    parent = Parent(Path(), SimpleNamespace(base={"name": name}), base, [Member(taps, head, 1.0)], [])
    return Tuned(boundary_cache.tail(parent, boundary), boundary, frozen, activations)
