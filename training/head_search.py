"""KerasTuner over heads, bases, taps and input sizes on cached features: one search, resumable, one leaderboard."""

import contextlib
import gc
import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner

from data_collection import console, manifest
from training.heads import SPACE_VERSION, HeadHyperModel, TrainingFaces

OBJECTIVE = "val_loss"


@dataclass(frozen=True)
class Trial:
    """One row of the leaderboard: hyperparameters, validation loss, validation AUC, epochs up to the best one."""

    values: dict[str, Any]
    loss: float
    auc: float
    epochs: int


def _hyperband(hypermodel, trials: int, epochs: int, **common) -> keras_tuner.Tuner:
    tuner = _shown(keras_tuner.Hyperband, trials)(
        hypermodel, max_epochs=epochs, factor=3, hyperband_iterations=trials, **common
    )
    # Hyperband counts sweeps, people count trials.
    tuner.oracle.max_trials = trials
    return tuner


def _random(hypermodel, trials: int, epochs: int, **common) -> keras_tuner.Tuner:
    return _shown(keras_tuner.RandomSearch, trials)(hypermodel, max_trials=trials, **common)


def _bayesian(hypermodel, trials: int, epochs: int, **common) -> keras_tuner.Tuner:
    return _shown(keras_tuner.BayesianOptimization, trials)(hypermodel, max_trials=trials, **common)


TUNERS: dict[str, Callable[..., keras_tuner.Tuner]] = {"hyperband": _hyperband, "random": _random, "bayesian": _bayesian}


def _shown(tuner: type[keras_tuner.Tuner], trials: int) -> type[keras_tuner.Tuner]:
    """The tuner, logging every trial to a run of its own and saying one line when it has finished."""

    class Shown(tuner):
        log_folder: Path

        def run_trial(self, trial, *args, **kwargs):
            self.hypermodel.log_folder = self.log_folder / trial.trial_id
            return super().run_trial(trial, *args, **kwargs)

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            done = self.oracle.get_trial(trial.trial_id)
            score = f"{OBJECTIVE} {done.score:.4f}" if done.score is not None else done.status.lower()
            console.say(f"trial {len(self.oracle.end_order):>3}/{trials}  {score}  {describe(done.hyperparameters.values)}")

    return Shown


def describe(values: Mapping[str, Any]) -> str:
    """A trial in words: what it looks at, then what stands on it."""
    layers = f"{values['layers']} x {values['units']}" if values["layers"] else "linear"
    return f"{values['base']} {values['taps']} {values['statistics']} at {values['sizes']}, {layers}"


def search(
    faces: Mapping[str, TrainingFaces],
    key: object,
    folder: Path,
    log_folder: Path,
    tuner: str,
    trials: int,
    epochs: int,
    batch_size: int,
    seed: int,
) -> list[Trial]:
    """Runs or carries on a search and returns its trials, the best first.

    Args:
        faces: features and labels, by base.
        key: whatever else decides the search; another key is another search.
        folder, log_folder: where searches and their TensorBoard runs are kept; this one gets a folder in each.

    Raises:
        PlainError: every trial failed, or the kept search is damaged.
    """
    import keras

    keras.utils.set_random_seed(seed)
    name = hashlib.sha256(json.dumps([key, SPACE_VERSION, tuner, trials, epochs, batch_size, seed]).encode()).hexdigest()[:12]
    objective = keras_tuner.Objective(OBJECTIVE, "min")
    common = {"objective": objective, "seed": seed, "directory": folder, "project_name": name}
    with warnings.catch_warnings():
        # Hyperband restores a parent's weights into a model whose optimizer is not built yet, and Keras says so.
        warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
        try:
            tuned = TUNERS[tuner](HeadHyperModel(faces, batch_size), trials, epochs, **common)
        except (ValueError, KeyError) as error:
            raise console.PlainError(
                f"The search in {folder / name} is damaged ({error}); delete that folder to start it again.", console.DISK
            ) from None
        left = trials - len(tuned.oracle.end_order)
        console.say(f"{trials} trials, {trials - left} of them done before." if left < trials else f"{trials} trials.")
        tuned.log_folder = log_folder / name
        with _collector_spared():
            tuned.search(epochs=epochs, verbose=0)
    ranked = [_trial(trial) for trial in tuned.oracle.get_best_trials(trials)]
    if not ranked:
        raise console.PlainError("No trial could be finished; the messages above say why.")
    _forget_weights(folder / name)
    return ranked


@contextlib.contextmanager
def _collector_spared() -> Iterator[None]:
    """KerasTuner collects garbage twice a trial; without the libraries' own million objects that takes no time.

    It was a quarter of a trial: 0.57 of 2.3 seconds.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _trial(trial) -> Trial:
    auc = trial.metrics.get_best_value("val_auc") if trial.metrics.exists("val_auc") else float("nan")
    values = dict(trial.hyperparameters.values)
    # KerasTuner counts from where Hyperband carried the head on.
    epochs = values.get("tuner/initial_epoch", 0) + int(trial.best_step) + 1
    return Trial(values, float(trial.score), float(auc), epochs)


def _forget_weights(project: Path) -> None:
    """The winner is trained again, so the trials' weights are needed for carrying on only."""
    for weights in project.glob("trial_*/checkpoint*"):
        shutil.rmtree(weights) if weights.is_dir() else weights.unlink()


def keep(path: Path, trials: list[Trial]) -> None:
    """Writes the whole leaderboard as JSON lines."""
    lines = [
        json.dumps({**trial.values, "val_loss": trial.loss, "val_auc": trial.auc, "epochs": trial.epochs}) for trial in trials
    ]
    manifest.write_whole(path, ("\n".join(lines) + "\n").encode())
