"""One trial of fine-tuning: the blocks above a boundary opened, trained in two phases, and
guarded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np

from finetuning import boundary_cache, boundary_models
from finetuning.boundary_batches import make_row_batches
from finetuning.boundary_cache import BoundaryRows
from finetuning.boundary_models import Boundary
from finetuning.calibrated_loss import CALIBRATED_LOSS_NAME
from finetuning.depth_training import (
    DEPTH_PATIENCE_EPOCHS,
    WARMUP_LEARNING_RATE,
    DepthTrial,
    compile_tail,
    make_learning_rate,
)
from finetuning.settings import FinetuningSettings
from finetuning.unfreezing import Block, Guard, unfreeze_blocks
from runtime import console
from training import accelerators, tensorboard_logs
from training.dataset import Dataset
from training.detectors.detector_parts import DetectorParts
from training.fitting import LABEL_SMOOTHING
from training.head_search import tuner_runs

if TYPE_CHECKING:
    import keras

DEPTH_SPACE_VERSION = 4
"""Part of a search's key: raise it with every change to this file, so that an old search is never
carried on."""


@dataclass(frozen=True)
class BoundaryData:
    """What one depth needs: its boundary, and its rows of both splits."""

    boundary: Boundary
    train: BoundaryRows
    validation: BoundaryRows


class DepthHyperModel(keras_tuner.HyperModel):
    """Tails of a detector: built on the boundary under the opened blocks, trained in two phases,
    guarded.

    Args:
        data: with at least one image of each class in train and validation.
        found: all blocks of the parent's base, from the top down.
        deepest: most blocks that a trial opens.

    Attributes:
        passes: forward passes through frozen blocks that were needed.
        log_folder: the run that the next trial is logged to; None for none.
    """

    def __init__(
        self,
        parent: DetectorParts,
        data: Dataset,
        found: Sequence[Block],
        deepest: int,
        settings: FinetuningSettings,
    ):
        super().__init__()
        self.parent, self.data, self.found, self.settings = parent, data, found, settings
        self.deepest = deepest
        self.passes = 0
        self.log_folder: Path | None = None
        self._stages: dict[int, BoundaryData] = {}

    def build(self, hp: keras_tuner.HyperParameters) -> "keras.Model":
        hp.Int("depth", 1, self.deepest)
        hp.Float("learning_rate", 1e-5, 1e-3, sampling="log")
        hp.Choice("schedule", ["constant", "cosine"])
        hp.Float("weight_decay", 1e-6, 1e-2, sampling="log")
        hp.Choice("batch_size", [16, 32])
        hp.Choice("label_smoothing", [0.0, LABEL_SMOOTHING])
        hp.Choice("augmentation", ["none", "all views"] if self.settings.views > 1 else ["none"])
        try:
            return self.tail(hp.get("depth"))
        except console.PlainError as error:
            raise tuner_runs.SearchStopped(error) from None

    def fit(
        self, hp: keras_tuner.HyperParameters, model: "keras.Model", *args, **kwargs
    ) -> dict[str, float]:
        tuned = self.train(model, hp.values, self.settings.seed, self.log_folder)
        return {
            CALIBRATED_LOSS_NAME: tuned.loss,
            "auc": tuned.auc,
            "epochs": tuned.epochs,
            "trainable": tuned.trainable,
        }

    def stage(self, depth: int) -> BoundaryData:
        """The boundary's rows at a depth, from the parent's own weights; computed at the first
        use."""
        if depth not in self._stages:
            now = self.parent.current()
            self.parent.restore()
            opened, data, views = self.found[:depth], self.data, self.settings.views
            images = data.train + data.validation
            boundary = boundary_models.choose_boundary(
                self.parent, opened, len(images) * views, self.settings.disk
            )
            if boundary.why:
                console.print_warning(
                    f"{boundary.why[0].upper()}{boundary.why[1:]}; depth {depth} starts from the pixels."
                )
            parts = []
            for records in (data.train, data.validation):
                rows, passes = boundary_cache.load_or_compute_rows(
                    self.parent, boundary, data.folder, records, views
                )
                self.passes += passes if boundary.tap else 0
                parts.append(rows)
            self._stages[depth] = BoundaryData(boundary, *parts)
            self.parent.restore(now)
        return self._stages[depth]

    def tail(self, depth: int) -> "keras.Model":
        stage = self.stage(depth)
        self.parent.restore()
        return boundary_models.build_tail(self.parent, stage.boundary)

    def train(
        self, model: "keras.Model", values: Mapping[str, Any], seed: int, log_folder: Path | None
    ) -> DepthTrial:
        """Trains head, then head and opened blocks; the model ends with the weights of the best
        epoch.

        Raises:
            FailedTrialError: the loss became NaN. GuardError: something else was trained than what
                was opened.
        """
        import keras

        keras.utils.set_random_seed(seed)
        self.parent.restore()
        self.parent.reseed(seed)
        depth, stage = values["depth"], self.stage(values["depth"])
        guard = Guard(self.found, depth)
        views = 1 if values["augmentation"] == "none" else self.settings.views
        train = make_row_batches(
            stage.train, self.data.encode_labels(self.data.train), views, values["batch_size"], seed
        )
        validation = make_row_batches(
            stage.validation,
            self.data.encode_labels(self.data.validation),
            self.settings.views,
            64,
            None,
        )
        if self.settings.warmup:
            unfreeze_blocks(self.parent.base, [])
            compile_tail(model, WARMUP_LEARNING_RATE, values)
            model.fit(
                train,
                epochs=self.settings.warmup,
                verbose=0,
                callbacks=[keras.callbacks.TerminateOnNaN()],
            )
        unfreeze_blocks(self.parent.base, self.found[:depth])
        steps = len(train) * self.settings.epochs
        compile_tail(model, make_learning_rate(values, steps), values)
        callbacks = [
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.EarlyStopping(
                f"val_{CALIBRATED_LOSS_NAME}",
                mode="min",
                patience=DEPTH_PATIENCE_EPOCHS,
                restore_best_weights=True,
            ),
        ]
        if log_folder:
            shown = {name: values[name] for name in ("depth", *sorted(values.keys() - {"depth"}))}
            callbacks.append(
                tensorboard_logs.make_epoch_callback(
                    log_folder, shown, (f"val_{CALIBRATED_LOSS_NAME}", "val_auc")
                )
            )
        layers = [layer for block in self.found[:depth] for layer in block.layers]
        with accelerators.use_dtype_policy(
            layers, accelerators.choose_dtype_policy(self.settings.precision)
        ):
            history = model.fit(
                train,
                validation_data=validation,
                epochs=self.settings.epochs,
                verbose=0,
                callbacks=callbacks,
            ).history
        losses = history.get(f"val_{CALIBRATED_LOSS_NAME}", [np.nan])
        if not np.isfinite(losses).all() or not np.isfinite(history["loss"]).all():
            raise keras_tuner.errors.FailedTrialError(
                f"The loss became NaN at a learning rate of {values['learning_rate']:.1e}."
            )
        moved = guard.check(model)
        best = int(np.argmin(losses))
        trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        return DepthTrial(
            depth,
            dict(values),
            float(losses[best]),
            float(history["val_auc"][best]),
            best + 1,
            trainable,
            tuple(moved),
        )

    def as_it_was(self) -> DepthTrial:
        """The parent itself, scored like a trial."""
        stage = self.stage(1)
        model = self.tail(1)
        compile_tail(model, 0.0, {"weight_decay": 0.0, "label_smoothing": 0.0})
        validation = make_row_batches(
            stage.validation,
            self.data.encode_labels(self.data.validation),
            self.settings.views,
            64,
            None,
        )
        found = model.evaluate(validation, verbose=0, return_dict=True)
        return DepthTrial(0, {}, float(found[CALIBRATED_LOSS_NAME]), float(found["auc"]))

    def logits_before(self) -> np.ndarray:
        """Like `logits`, with the weights of the parent itself; base and heads keep those that they
        have now."""
        now = self.parent.current()
        self.parent.restore()
        found = self.logits(1)
        self.parent.restore(now)
        return found

    def logits(self, depth: int) -> np.ndarray:
        """Of the validation images' view 0 with the weights that base and heads have now, shape
        (images,)."""
        stage = self.stage(depth)
        model = boundary_models.build_tail(self.parent, stage.boundary)
        numbers = np.arange(len(self.data.validation))
        parts = [numbers[start : start + 64] for start in range(0, len(numbers), 64)]
        found = [
            accelerators.predict_on_batch(model, stage.validation[part, np.zeros_like(part)])[0]
            for part in parts
        ]
        return np.concatenate(found)[:, 0].astype(np.float64)
