"""Methods that only the study of unseen generators uses: frequency features, unfrozen blocks."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from finetuning import unfreezing
from finetuning.boundary import split_models
from finetuning.boundary.split_models import FROZEN_FEATURES_ARRAY, Boundary
from training import fitting
from training.bases import loaded_base, weights
from training.bases.input_signals import resize_pixels
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
"""Side of the windows whose frequencies are measured; they overlap by half."""

LUMA_WEIGHTS = (0.299, 0.587, 0.114)

BOUNDARY_TAP = "block13"
"""The tap below the unfrozen blocks (of MobileNetV2: block14, block15, block16 and top)."""

UNFROZEN_BATCH_SIZE, UNFROZEN_EPOCHS, UNFROZEN_PATIENCE_EPOCHS = 32, 8, 2
UNFROZEN_LEARNING_RATE, UNFROZEN_WEIGHT_DECAY = 3e-5, 1e-3

ACTIVATIONS_TAP = "activations"


class TapsAndFrequenciesExtractor(Extractor):
    """Extract all taps, and the logarithms of mean and deviation over all windows of each of a
    window's 256 frequencies."""

    def make_identity(self) -> list:
        return [*super().make_identity(), "frequencies", WINDOW_SIDE_PX]

    def build_model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        taps, columns = super().build_model()
        (size,) = self.sizes
        frequencies = self._transform_windows(resize_pixels(taps.input, size, "seen"))
        pooled = [
            keras.ops.log(layout.pool_tap(keras.ops.abs(frequencies), "mean") + 1.0),
            keras.ops.log(layout.pool_tap(frequencies, "std") + 1.0),
        ]
        start, ends = columns[-1].stop, WINDOW_SIDE_PX**2 * np.arange(len(pooled) + 1)
        frequency_columns = [
            Column(size, "frequencies", statistic, int(start + begin), int(start + end))
            for statistic, begin, end in zip(
                layout.POOLING_STATISTICS, ends, ends[1:], strict=False
            )
        ]
        features = keras.layers.Concatenate()([taps.output, *pooled])
        return keras.Model(taps.input, features), columns + frequency_columns

    def _transform_windows(self, pixels: "keras.KerasTensor") -> "keras.KerasTensor":
        """Return the cosine transform of every window, (images, rows, columns, frequencies)."""
        import keras

        transform = keras.layers.Conv2D(
            WINDOW_SIDE_PX**2,
            WINDOW_SIDE_PX,
            WINDOW_SIDE_PX // 2,
            use_bias=False,
            trainable=False,
            name="frequencies",
        )
        frequencies = transform(pixels)
        transform.set_weights([build_cosine_kernels(WINDOW_SIDE_PX)])
        return frequencies


class FrequencyExtractor(TapsAndFrequenciesExtractor):
    """Extract the frequencies alone."""

    def make_identity(self) -> list:
        return [*super().make_identity(), "alone"]

    def build_model(self) -> tuple["keras.Model", list[Column]]:
        import keras

        model, columns = super().build_model()
        columns = [column for column in columns if column.tap == "frequencies"]
        start = columns[0].start
        shifted = [
            replace(column, start=column.start - start, stop=column.stop - start)
            for column in columns
        ]
        return keras.Model(model.input, model.output[:, start:]), shifted


def build_cosine_kernels(side: int) -> np.ndarray:
    """Return the two-dimensional discrete cosine transform (type 2, orthonormal) of the luma,
    shape (side, side, 3, side * side)."""
    from scipy.fft import dct

    basis = dct(np.eye(side), axis=0, norm="ortho")  # (frequency, position)
    kernels = np.einsum("fy,gx->yxfg", basis, basis).reshape(side, side, 1, side * side)
    return (kernels * np.array(LUMA_WEIGHTS).reshape(1, 1, 3, 1)).astype(np.float32)


class TapsAndActivationsExtractor(Extractor):
    """Extract all taps, and the activations below the unfrozen blocks."""

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
        pooled = {
            column: layout.pool_tap(by_tap[column.tap], column.statistic) for column in columns
        }
        taps = layout.concatenate_columns(pooled, columns)
        flat = keras.layers.Flatten()(by_tap[BOUNDARY_TAP])
        start = columns[-1].stop
        column = Column(size, ACTIVATIONS_TAP, "all", start, start + flat.shape[-1], signal)
        return keras.Model(pixels, keras.layers.Concatenate()([taps, flat])), [*columns, column]


@dataclass(frozen=True)
class UnfrozenDetector:
    """The part of a detector above a boundary.

    Attributes:
        model: maps (activations, features of the frozen taps) to a logit.
        frozen: columns of the frozen taps.
        activations: column of the activations at the boundary.
    """

    model: "keras.Model"
    boundary: Boundary
    frozen: list[Column]
    activations: Column

    def split_features(self, features: np.ndarray) -> list[np.ndarray]:
        """Return the inputs of the model: activations, and features of the frozen taps."""
        flat = features[:, self.activations.start : self.activations.stop]
        return [
            flat.reshape(-1, *self.boundary.shapes[0]),
            features[:, compute_column_indices(self.frozen)],
        ]

    def compute_logits(self, judged: np.ndarray) -> np.ndarray:
        """Return the logits of features (images, views, width), shape (images, views)."""
        features = self.split_features(judged.reshape(-1, judged.shape[2]))
        logits = self.model.predict(features, batch_size=64, verbose=0)[:, 0]
        return logits.astype(np.float64).reshape(judged.shape[:2])


def train_unfrozen_detector(task: TrainingTask) -> UnfrozenDetector:
    """Train a linear head together with the unfrozen blocks, as `python -m finetuning` does.

    The head starts from ridge regression on all taps. BatchNormalization stays frozen. The weights
    are those of the epoch with the lowest loss on the validation images.
    """
    import keras

    settings, columns = task.settings, task.features.columns
    ridge = head_training.HEAD_FITTERS["ridge"](task)
    keras.utils.set_random_seed(settings.seed)
    base = loaded_base.load_base(weights.find_base_weights(settings.base, settings.weights))
    blocks = unfreezing.split_into_blocks(base)
    depth = [block.tap_below for block in blocks].index(BOUNDARY_TAP) + 1
    unfreezing.unfreeze_blocks(base, blocks[:depth])
    unfrozen_taps = [block.name for block in blocks[:depth]]
    frozen = [column for column in columns if column.tap not in (*unfrozen_taps, ACTIVATIONS_TAP)]
    detector = _build_unfrozen_detector(base, columns, frozen, ridge)
    detector.model.compile(
        keras.optimizers.AdamW(UNFROZEN_LEARNING_RATE, weight_decay=UNFROZEN_WEIGHT_DECAY),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    fitting.build_optimiser(detector.model)
    views = task.views(task.train)
    labels, sample_weights = (
        np.repeat(values, views.shape[1])
        for values in (task.images.label[task.train], compute_sample_weights(task, task.train))
    )
    detector.model.fit(
        detector.split_features(views.reshape(-1, views.shape[2])),
        labels.astype(np.float32)[:, None],
        sample_weight=sample_weights.astype(np.float32),
        validation_data=(
            detector.split_features(task.features.judged[task.validation, 0]),
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
    return detector


def _build_unfrozen_detector(
    base: loaded_base.LoadedBase,
    columns: list[Column],
    frozen: list[Column],
    ridge: LinearOutputs,
) -> UnfrozenDetector:
    """Build the tail of fine-tuning with a linear head that gives the outputs of ridge
    regression."""
    import keras

    *taps, activations = columns
    head = keras.Sequential(
        [keras.Input((activations.start,)), keras.layers.Dense(1)], name="head1"
    )
    # ridge regression gives -1 to 1; as logits that is -4 to 4
    head.set_weights(
        [
            4 * ridge.weights[compute_column_indices(taps)].astype(np.float32),
            4 * ridge.bias.astype(np.float32),
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
    parts = DetectorParts(
        folder=Path(),
        card=SimpleNamespace(),
        base=base,
        members=[EnsembleMember(taps, head, 1.0)],
        saved_weights=[],
    )
    tail = split_models.build_tail(parts, boundary)
    return UnfrozenDetector(tail, boundary, frozen, activations)
