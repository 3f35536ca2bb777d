"""One trial of fine-tuning: the blocks above a boundary opened, trained in two phases, and guarded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np

from data_collection import console
from finetuning import boundary_cache
from finetuning.batches import batches
from finetuning.boundary_cache import Boundary, Rows
from finetuning.parent import Parent
from finetuning.ranking import RANKING, CalibratedLoss
from finetuning.settings import FinetuningSettings
from finetuning.unfreezing import Block, Guard, Movement, open_blocks
from training import accelerators, run_logs, tuners
from training.dataset import Dataset
from training.heads import LABEL_SMOOTHING

if TYPE_CHECKING:
    import keras

SPACE_VERSION = 4
"""Part of a search's key: raise it with every change to this file, so that an old search is never carried on."""

PATIENCE = 3
WARMUP_RATE = 3e-4


@dataclass(frozen=True)
class Tuned:
    """One row of the leaderboard; depth 0 is the detector as it was.

    Attributes:
        depth: blocks opened, from the top.
        values: hyperparameters.
        loss, auc: on the validation images, all views; the loss is CalibratedLoss.
        epochs: up to the best one.
        trainable: numbers that were trained.
        moved: by how much, block by block.
    """

    depth: int
    values: dict[str, Any]
    loss: float
    auc: float
    epochs: int = 0
    trainable: int = 0
    moved: tuple[Movement, ...] = ()


@dataclass(frozen=True)
class Stage:
    """What one depth needs: its boundary, and its rows of both splits."""

    boundary: Boundary
    train: Rows
    validation: Rows


class DepthHyperModel(keras_tuner.HyperModel):
    """Tails of a detector: built on the boundary under the opened blocks, trained in two phases, guarded.

    Args:
        data: with at least one image of each class in train and validation.
        found: all blocks of the parent's base, from the top down.
        deepest: most blocks that a trial opens.

    Attributes:
        passes: forward passes through frozen blocks that were needed.
        log_folder: the run that the next trial is logged to; None for none.
    """

    def __init__(self, parent: Parent, data: Dataset, found: Sequence[Block], deepest: int, settings: FinetuningSettings):
        super().__init__()
        self.parent, self.data, self.found, self.settings = parent, data, found, settings
        self.deepest = deepest
        self.passes = 0
        self.log_folder: Path | None = None
        self._stages: dict[int, Stage] = {}

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
            raise tuners.Stop(error) from None

    def fit(self, hp: keras_tuner.HyperParameters, model: "keras.Model", *args, **kwargs) -> dict[str, float]:
        tuned = self.train(model, hp.values, self.settings.seed, self.log_folder)
        return {RANKING: tuned.loss, "auc": tuned.auc, "epochs": tuned.epochs, "trainable": tuned.trainable}

    def stage(self, depth: int) -> Stage:
        """The boundary's rows at a depth, from the parent's own weights; computed at the first use."""
        if depth not in self._stages:
            now = self.parent.current()
            self.parent.restore()
            opened, data, views = self.found[:depth], self.data, self.settings.views
            images = data.train + data.validation
            boundary = boundary_cache.choose(self.parent, opened, len(images) * views, self.settings.disk)
            if boundary.why:
                console.warn(f"{boundary.why[0].upper()}{boundary.why[1:]}; depth {depth} starts from the pixels.")
            parts = []
            for records in (data.train, data.validation):
                rows, passes = boundary_cache.rows(self.parent, boundary, data.folder, records, views)
                self.passes += passes if boundary.tap else 0
                parts.append(rows)
            self._stages[depth] = Stage(boundary, *parts)
            self.parent.restore(now)
        return self._stages[depth]

    def tail(self, depth: int) -> "keras.Model":
        stage = self.stage(depth)
        self.parent.restore()
        return boundary_cache.tail(self.parent, stage.boundary)

    def train(self, model: "keras.Model", values: Mapping[str, Any], seed: int, log_folder: Path | None) -> Tuned:
        """Trains head, then head and opened blocks; the model ends with the weights of the best epoch.

        Raises:
            FailedTrialError: the loss became NaN. GuardError: something else was trained than what was opened.
        """
        import keras

        keras.utils.set_random_seed(seed)
        self.parent.restore()
        self.parent.reseed(seed)
        depth, stage = values["depth"], self.stage(values["depth"])
        guard = Guard(self.found, depth)
        views = 1 if values["augmentation"] == "none" else self.settings.views
        train = batches(stage.train, self.data.labels(self.data.train), views, values["batch_size"], seed)
        validation = batches(stage.validation, self.data.labels(self.data.validation), self.settings.views, 64, None)
        if self.settings.warmup:
            open_blocks(self.parent.base, [])
            _compile(model, WARMUP_RATE, values)
            model.fit(train, epochs=self.settings.warmup, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
        open_blocks(self.parent.base, self.found[:depth])
        steps = len(train) * self.settings.epochs
        _compile(model, _rate(values, steps), values)
        callbacks = [
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.EarlyStopping(f"val_{RANKING}", mode="min", patience=PATIENCE, restore_best_weights=True),
        ]
        if log_folder:
            shown = {name: values[name] for name in ("depth", *sorted(values.keys() - {"depth"}))}
            callbacks.append(run_logs.callback(log_folder, shown, (f"val_{RANKING}", "val_auc")))
        layers = [layer for block in self.found[:depth] for layer in block.layers]
        with accelerators.calculating(layers, accelerators.policy(self.settings.precision)):
            history = model.fit(
                train, validation_data=validation, epochs=self.settings.epochs, verbose=0, callbacks=callbacks
            ).history
        losses = history.get(f"val_{RANKING}", [np.nan])
        if not np.isfinite(losses).all() or not np.isfinite(history["loss"]).all():
            raise keras_tuner.errors.FailedTrialError(
                f"The loss became NaN at a learning rate of {values['learning_rate']:.1e}."
            )
        moved = guard.check(model)
        best = int(np.argmin(losses))
        trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        return Tuned(
            depth, dict(values), float(losses[best]), float(history["val_auc"][best]), best + 1, trainable, tuple(moved)
        )

    def as_it_was(self) -> Tuned:
        """The parent itself, scored like a trial."""
        stage = self.stage(1)
        model = self.tail(1)
        _compile(model, 0.0, {"weight_decay": 0.0, "label_smoothing": 0.0})
        validation = batches(stage.validation, self.data.labels(self.data.validation), self.settings.views, 64, None)
        found = model.evaluate(validation, verbose=0, return_dict=True)
        return Tuned(0, {}, float(found[RANKING]), float(found["auc"]))

    def logits_before(self) -> np.ndarray:
        """Like `logits`, with the weights of the parent itself; base and heads keep those that they have now."""
        now = self.parent.current()
        self.parent.restore()
        found = self.logits(1)
        self.parent.restore(now)
        return found

    def logits(self, depth: int) -> np.ndarray:
        """Of the validation images' view 0 with the weights that base and heads have now, shape (images,)."""
        stage = self.stage(depth)
        model = boundary_cache.tail(self.parent, stage.boundary)
        numbers = np.arange(len(self.data.validation))
        parts = [numbers[start : start + 64] for start in range(0, len(numbers), 64)]
        found = [accelerators.predict_on_batch(model, stage.validation[part, np.zeros_like(part)])[0] for part in parts]
        return np.concatenate(found)[:, 0].astype(np.float64)


def _compile(model: "keras.Model", rate: object, values: Mapping[str, Any]) -> None:
    import keras

    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=values["weight_decay"]),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=values["label_smoothing"]),
        metrics=[
            CalibratedLoss(),
            keras.metrics.AUC(name="auc", from_logits=True),
        ],
    )


def _rate(values: Mapping[str, Any], steps: int) -> object:
    import keras

    rate = values["learning_rate"]
    return keras.optimizers.schedules.CosineDecay(rate, steps) if values["schedule"] == "cosine" else rate
