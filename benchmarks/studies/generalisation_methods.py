"""Levers that only the study of unseen generators pulls: frequency summaries, and opened blocks of
the base."""

import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from finetuning import boundary_models, unfreezing
from finetuning.boundary_models import FROZEN_FEATURES_ARRAY, Boundary
from training.bases import loaded_base, weights
from training.bases.input_signals import resize_pixels
from training.calibration import sigmoid
from training.detectors.assembly import EnsembleMember
from training.detectors.detector_parts import DetectorParts
from training.features import layout
from training.features.column_selection import compute_column_indices
from training.features.extractor import Extractor
from training.features.layout import Column
from validation.cross_generator import head_training
from validation.cross_generator.head_training import LinearOutputs, compute_sample_weights
from validation.cross_generator.task import TrainingTask

if TYPE_CHECKING:
    import keras

WINDOW_SIDE_PX = 16
"""Side in pixels of the windows whose frequencies are looked at; they overlap by half."""

LUMA_WEIGHTS = (0.299, 0.587, 0.114)

(
    BOUNDARY_TAP,
    UNFROZEN_BATCH_SIZE,
    UNFROZEN_EPOCHS,
    UNFROZEN_PATIENCE_EPOCHS,
    UNFROZEN_LEARNING_RATE,
    UNFROZEN_WEIGHT_DECAY,
) = (
    "block13",
    32,
    8,
    2,
    3e-5,
    1e-3,
)
"""The tap of fine-tuning that the unfrozen blocks stand on (MobileNetV2: block14, block15, block16
and top are opened)."""

ACTIVATIONS_TAP = "activations"


class TapsAndFrequenciesExtractor(Extractor):
    """All taps, and mean and deviation of each of a window's 256 frequencies over all windows, as
    logarithms."""

    def make_identity(self) -> list:
        return [*super().make_identity(), "frequencies", WINDOW_SIDE_PX]

    def build_model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        taps, columns = super().build_model()
        (size,) = self.sizes
        result = [
            keras.ops.log(layout.pool_tap(*each) + 1.0)
            for each in self._strengths(resize_pixels(taps.input, size, "seen"))
        ]
        start, ends = columns[-1].stop, WINDOW_SIDE_PX**2 * np.arange(len(result) + 1)
        mine = [
            Column(size, "frequencies", statistic, int(start + begin), int(start + end))
            for statistic, begin, end in zip(
                layout.POOLING_STATISTICS, ends, ends[1:], strict=False
            )
        ]
        return keras.Model(
            taps.input, keras.layers.Concatenate()([taps.output, *result])
        ), columns + mine

    def _strengths(self, pixels: "keras.KerasTensor") -> list[tuple["keras.KerasTensor", str]]:
        """Return what to pool, and how: the size of every frequency, and its deviation with its sign."""
        import keras

        waves = keras.layers.Conv2D(
            WINDOW_SIDE_PX**2,
            WINDOW_SIDE_PX,
            WINDOW_SIDE_PX // 2,
            use_bias=False,
            trainable=False,
            name="frequencies",
        )
        strength = waves(pixels)
        waves.set_weights([build_cosine_kernels(WINDOW_SIDE_PX)])
        return [(keras.ops.abs(strength), "mean"), (strength, "std")]


class FrequencyExtractor(TapsAndFrequenciesExtractor):
    """The frequencies alone."""

    def make_identity(self) -> list:
        return [*super().make_identity(), "alone"]

    def build_model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        whole, columns = super().build_model()
        mine = [column for column in columns if column.tap == "frequencies"]
        start = mine[0].start
        columns = [
            Column(each.size, each.tap, each.statistic, each.start - start, each.stop - start)
            for each in mine
        ]
        return keras.Model(whole.input, whole.output[:, start:]), columns


def build_cosine_kernels(side: int) -> np.ndarray:
    """The two-dimensional discrete cosine transform (type 2, orthonormal) of the luma; shape (side,
    side, 3, side * side)."""
    from scipy.fft import dct

    line = dct(np.eye(side), axis=0, norm="ortho")  # (frequency, place)
    waves = np.einsum("fy,gx->yxfg", line, line).reshape(side, side, 1, side * side)
    return (waves * np.array(LUMA_WEIGHTS).reshape(1, 1, 3, 1)).astype(np.float32)


class TapsAndActivationsExtractor(Extractor):
    """All taps, and the activations that the opened blocks start from."""

    def make_identity(self) -> list:
        return [*super().make_identity(), ACTIVATIONS_TAP, BOUNDARY_TAP]

    def build_model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        base = loaded_base.load_base(self.weights)
        (size,) = self.sizes
        base.model.trainable = False
        columns = layout.list_columns(base, self.sizes, self.signals)
        pixels = keras.Input((self.side, self.side, 3), name="pixels")
        (signal,) = self.signals
        outputs = base.build_tapped()(
            layout.prepare_base_input(pixels, base, size, signal), training=False
        )
        by_tap = dict(zip(base.list_tap_names(), outputs, strict=True))
        taps = layout.concatenate_columns(
            {each: layout.pool_tap(by_tap[each.tap], each.statistic) for each in columns}, columns
        )
        flat = keras.layers.Flatten()(by_tap[BOUNDARY_TAP])
        start = columns[-1].stop
        column = Column(size, ACTIVATIONS_TAP, "all", start, start + flat.shape[-1], signal)
        return keras.Model(pixels, keras.layers.Concatenate()([taps, flat])), [*columns, column]


@dataclass(frozen=True)
class UnfrozenDetector:
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
        return [
            flat.reshape(-1, *self.boundary.shapes[0]),
            features[:, compute_column_indices(self.frozen)],
        ]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        logits = self.model.predict(self.inputs(features), batch_size=64, verbose=0)[:, 0]
        return sigmoid(logits.astype(np.float64))


def train_unfrozen_detector(task: TrainingTask) -> UnfrozenDetector:
    """Starts from ridge regression on all taps; trains it together with the opened blocks, as
    `python -m finetuning` does.

    BatchNormalization stays frozen. It ends with the epoch whose loss on the validation images was
    the lowest.
    """
    import keras

    settings, columns = task.settings, task.features.columns
    start = head_training.HEAD_FITTERS["ridge"](task)
    keras.utils.set_random_seed(settings.seed)
    base = loaded_base.load_base(weights.find_base_weights(settings.base, settings.weights))
    blocks = unfreezing.split_into_blocks(base)
    names = [
        block.name
        for block in blocks[: [block.tap_below for block in blocks].index(BOUNDARY_TAP) + 1]
    ]
    unfreezing.unfreeze_blocks(base, blocks[: len(names)])
    frozen = [column for column in columns if column.tap not in (*names, ACTIVATIONS_TAP)]
    made = _build_unfrozen_detector(base, columns, frozen, start)
    made.model.compile(
        keras.optimizers.AdamW(UNFROZEN_LEARNING_RATE, weight_decay=UNFROZEN_WEIGHT_DECAY),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    views = task.views(task.train)
    rows = [
        np.repeat(each, views.shape[1])
        for each in (task.images.label[task.train], compute_sample_weights(task, task.train))
    ]
    made.model.fit(
        made.inputs(views.reshape(-1, views.shape[2])),
        rows[0].astype(np.float32)[:, None],
        sample_weight=rows[1].astype(np.float32),
        validation_data=(
            made.inputs(task.features.plain[task.validation]),
            task.images.label[task.validation].astype(np.float32)[:, None],
            compute_sample_weights(task, task.validation).astype(np.float32),
        ),
        epochs=UNFROZEN_EPOCHS,
        batch_size=UNFROZEN_BATCH_SIZE,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(
                "val_loss", patience=UNFROZEN_PATIENCE_EPOCHS, restore_best_weights=True
            )
        ],
    )
    return made


def _build_unfrozen_detector(
    base: loaded_base.LoadedBase,
    columns: list[Column],
    frozen: list[Column],
    start: LinearOutputs,
) -> UnfrozenDetector:
    """The tail of fine-tuning, with a linear head that says what ridge regression says."""
    import keras

    *taps, activations = columns
    head = keras.Sequential(
        [keras.Input((activations.start,)), keras.layers.Dense(1)], name="head1"
    )
    # ridge regression says -1 to 1; as logits that is -4 to 4
    head.set_weights(
        [
            4 * start.weights[compute_column_indices(taps)].astype(np.float32),
            4 * start.bias.astype(np.float32),
        ]
    )
    channels = next(column.stop - column.start for column in taps if column.tap == BOUNDARY_TAP)
    side = math.isqrt((activations.stop - activations.start) // channels)
    shapes = (side, side, channels), (sum(column.stop - column.start for column in frozen),)
    boundary = Boundary(
        tap=BOUNDARY_TAP,
        names=(ACTIVATIONS_TAP, FROZEN_FEATURES_ARRAY),
        shapes=shapes,
        dtype="float32",
    )
    parent = DetectorParts(
        folder=Path(),
        card=SimpleNamespace(),
        base=base,
        members=[EnsembleMember(taps, head, 1.0)],
        saved_weights=[],
    )
    return UnfrozenDetector(
        boundary_models.build_tail(parent, boundary), boundary, frozen, activations
    )
