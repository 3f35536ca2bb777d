"""KerasTuner over the depth of fine-tuning: how many blocks are opened, and how they are trained."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np

from data_collection import console, manifest
from finetuning import boundary_cache
from finetuning.boundary_cache import Boundary, Rows
from finetuning.parent import Parent
from finetuning.settings import FinetuningSettings
from finetuning.unfreezing import Block, Guard, Movement, open_blocks
from training import run_logs
from training.dataset import Dataset
from training.heads import LABEL_SMOOTHING

if TYPE_CHECKING:
    import keras

SPACE_VERSION = 1
"""Part of a search's key: raise it with every change to this file, so that an old search is never carried on."""

RANKING = "ranking"
"""Log loss with the label smoothing that heads are ranked by, whatever the trial itself is trained with.

A few dozen validation images are soon told apart without an error, and then the AUC ranks nothing (docs/lab-notebook.md).
"""

PATIENCE = 3
WARMUP_RATE = 3e-4


@dataclass(frozen=True)
class Tuned:
    """One row of the leaderboard; depth 0 is the detector as it was.

    Attributes:
        depth: blocks opened, from the top.
        values: hyperparameters.
        loss, auc: on the validation images, all views; the loss is RANKING.
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


class _Stop(keras_tuner.errors.FatalError):
    """Carries a PlainError through KerasTuner, which takes any other exception for a failed trial."""


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
            raise _Stop(error) from None

    def fit(self, hp: keras_tuner.HyperParameters, model: "keras.Model", *args, **kwargs) -> dict[str, float]:
        tuned = self.train(model, hp.values, self.settings.seed, self.log_folder)
        return {RANKING: tuned.loss, "auc": tuned.auc, "epochs": tuned.epochs, "trainable": tuned.trainable}

    def stage(self, depth: int) -> Stage:
        """The boundary's rows at a depth, from the parent's own weights; computed at the first use."""
        if depth not in self._stages:
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
        train = _batches(stage.train, self.data.labels(self.data.train), views, values["batch_size"], seed)
        validation = _batches(stage.validation, self.data.labels(self.data.validation), self.settings.views, 64, None)
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
            callbacks.append(run_logs.callback(log_folder, shown))
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
        validation = _batches(stage.validation, self.data.labels(self.data.validation), self.settings.views, 64, None)
        found = model.evaluate(validation, verbose=0, return_dict=True)
        return Tuned(0, {}, float(found[RANKING]), float(found["auc"]))

    def logits(self, depth: int) -> np.ndarray:
        """Of the validation images' view 0 with the weights that base and heads have now, shape (images,)."""
        model = boundary_cache.tail(self.parent, self.stage(depth).boundary)
        count = len(self.data.validation)
        index = np.arange(count), np.zeros(count, dtype=int)
        return np.asarray(model.predict(self.stage(depth).validation[index], verbose=0))[:, 0].astype(np.float64)


def _compile(model: "keras.Model", rate: object, values: Mapping[str, Any]) -> None:
    import keras

    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=values["weight_decay"]),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=values["label_smoothing"]),
        metrics=[
            keras.metrics.BinaryCrossentropy(name=RANKING, from_logits=True, label_smoothing=LABEL_SMOOTHING),
            keras.metrics.AUC(name="auc", from_logits=True),
        ],
    )


def _rate(values: Mapping[str, Any], steps: int) -> object:
    import keras

    rate = values["learning_rate"]
    return keras.optimizers.schedules.CosineDecay(rate, steps) if values["schedule"] == "cosine" else rate


def _batches(rows: Rows, labels: np.ndarray, views: int, size: int, seed: int | None):
    """Batches of every view of every image, classes weighted alike; in a new order each epoch if there is a seed."""
    import keras

    class Batches(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.order = np.arange(len(labels) * views)
            self.draw = None if seed is None else np.random.default_rng(seed)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(self.order) // size)

        def __getitem__(self, number: int):
            part = self.order[number * size : (number + 1) * size]
            images, view = part // views, part % views
            y = labels[images].astype(np.float32)
            weight = np.where(y == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean())).astype(np.float32)
            return tuple(rows[images, view]), y[:, None], weight

        def on_epoch_end(self) -> None:
            if self.draw is not None:
                self.draw.shuffle(self.order)

    return Batches()


TUNERS: dict[str, Callable[..., keras_tuner.Tuner]] = {
    "bayesian": keras_tuner.BayesianOptimization,
    "random": keras_tuner.RandomSearch,
}


def search(hypermodel: DepthHyperModel, folder: Path, log_folder: Path) -> list[Tuned]:
    """Runs or carries on the search and returns its trials, the best first.

    Args:
        folder, log_folder: where searches and their TensorBoard runs are kept; this one gets a folder in each.

    Raises:
        PlainError: every trial failed, three in a row did, or the kept search is damaged.
    """
    settings, data = hypermodel.settings, hypermodel.data
    kept = {name: value for name, value in asdict(settings).items() if name in _DECISIVE}
    key = [hypermodel.parent.card.sha256, manifest.fingerprint(data.records), hypermodel.deepest, kept, SPACE_VERSION]
    name = f"finetuning-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]}"
    try:
        tuner = _shown(TUNERS[settings.tuner], settings.trials, log_folder / name)(
            hypermodel,
            max_trials=settings.trials,
            objective=keras_tuner.Objective(RANKING, "min"),
            seed=settings.seed,
            directory=folder,
            project_name=name,
        )
    except (ValueError, KeyError) as error:
        raise console.PlainError(
            f"The search in {folder / name} is damaged ({error}); delete that folder to start it again.", console.DISK
        ) from None
    left = settings.trials - len(tuner.oracle.end_order)
    console.say(
        f"{settings.trials} trials" + (f", {settings.trials - left} of them done before." if left < settings.trials else ".")
    )
    try:
        tuner.search(verbose=0)
    except _Stop as stop:
        raise stop.args[0] from None
    except RuntimeError as error:
        if "consecutive failures" not in str(error):
            raise
        raise console.PlainError(
            f"Three trials in a row failed; the messages above say why. Delete {folder / name} to start again, with other "
            "settings."
        ) from None
    found = [_tuned(trial) for trial in tuner.oracle.get_best_trials(settings.trials)]
    if not found:
        raise console.PlainError("No trial could be finished; the messages above say why.")
    return found


_DECISIVE = ("trials", "epochs", "warmup", "views", "tuner", "seed")


def _tuned(trial) -> Tuned:
    best = {name: trial.metrics.get_best_value(name) for name in ("auc", "epochs", "trainable")}
    values = dict(trial.hyperparameters.values)
    return Tuned(values["depth"], values, float(trial.score), best["auc"], int(best["epochs"]), int(best["trainable"]))


def _shown(tuner: type[keras_tuner.Tuner], trials: int, log_folder: Path) -> type[keras_tuner.Tuner]:
    """The tuner, logging every trial to a run of its own and saying one line when it has finished."""

    class Shown(tuner):
        def run_trial(self, trial, *args, **kwargs):
            self.hypermodel.log_folder = log_folder / trial.trial_id
            return super().run_trial(trial, *args, **kwargs)

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            done = self.oracle.get_trial(trial.trial_id)
            score = f"loss {done.score:.4f}" if done.score is not None else f"failed: {(done.message or '').splitlines()[-1:]}"
            console.say(f"trial {len(self.oracle.end_order):>3}/{trials}  {score}  {describe(done.hyperparameters.values)}")

    return Shown


def describe(values: Mapping[str, Any]) -> str:
    """A trial in words."""
    numbers = f"rate {values['learning_rate']:.1e} {values['schedule']}, decay {values['weight_decay']:.0e}"
    rest = f"batch {values['batch_size']}, smoothing {values['label_smoothing']:g}, augmentation: {values['augmentation']}"
    return f"depth {values['depth']}, {numbers}, {rest}"


def repeat(hypermodel: DepthHyperModel, best: Tuned, log_folder: Path) -> list[tuple[Tuned, list[list[np.ndarray]]]]:
    """Trains the best trial with several seeds; returns each with the weights of base and heads that it ended with."""
    found = []
    for number in range(hypermodel.settings.repeats):
        model = hypermodel.tail(best.depth)
        tuned = hypermodel.train(model, best.values, hypermodel.settings.seed + number, log_folder / f"seed{number}")
        console.say(
            f"seed {hypermodel.settings.seed + number}: loss {tuned.loss:.4f}, AUC {tuned.auc:.4f}, epoch {tuned.epochs}."
        )
        found.append((replace(tuned), hypermodel.parent.current()))
    return found
