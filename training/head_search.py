"""KerasTuner over heads, bases, taps and input sizes on cached features: one search, resumable, one leaderboard."""

import contextlib
import functools
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

from data_collection import manifest
from training import tuners
from training.heads import SPACE_VERSION, HeadHyperModel, TrainingFaces

OBJECTIVE = "val_loss"


@dataclass(frozen=True)
class Trial:
    """One row of the leaderboard: hyperparameters, validation loss, validation AUC, epochs up to the best one."""

    values: dict[str, Any]
    loss: float
    auc: float
    epochs: int


def _hyperband(hypermodel, trials: int, epochs: int, log_folder: Path, **common) -> keras_tuner.Tuner:
    tuner = tuners.shown(keras_tuner.Hyperband, trials, log_folder, describe)(
        hypermodel, max_epochs=epochs, factor=3, hyperband_iterations=trials, **common
    )
    # Hyperband counts sweeps, people count trials.
    tuner.oracle.max_trials = trials
    return tuner


def _random(hypermodel, trials: int, epochs: int, log_folder: Path, **common) -> keras_tuner.Tuner:
    return tuners.shown(keras_tuner.RandomSearch, trials, log_folder, describe)(hypermodel, max_trials=trials, **common)


def _bayesian(hypermodel, trials: int, epochs: int, log_folder: Path, **common) -> keras_tuner.Tuner:
    # KerasTuner's own choice, three random trials for each hyperparameter, would leave hardly one for the Bayesian part
    tuner = tuners.shown(keras_tuner.BayesianOptimization, trials, log_folder, describe)
    return tuner(hypermodel, max_trials=trials, num_initial_points=max(1, trials // 2), **common)


TUNERS: dict[str, Callable[..., keras_tuner.Tuner]] = {
    "hyperband": _hyperband,
    "random": _random,
    "bayesian": _bayesian,
}


def describe(values: Mapping[str, Any]) -> str:
    """A trial in words: what it looks at, then what stands on it."""
    layers = f"{values['layers']} x {values['units']}" if values["layers"] else "linear"
    signals = "" if values["signals"] == "picture" else f"{values['signals']} "
    return f"{values['base']} {signals}{values['taps']} {values['statistics']} at {values['sizes']}, {layers}"


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
        PlainError: every trial failed, three in a row did, or the kept search is damaged.
    """
    import keras

    keras.utils.set_random_seed(seed)
    name = hashlib.sha256(json.dumps([key, SPACE_VERSION, tuner, trials, epochs, batch_size, seed]).encode()).hexdigest()[:12]
    objective = keras_tuner.Objective(OBJECTIVE, "min")
    common = {"objective": objective, "seed": seed, "directory": folder, "project_name": name}
    with warnings.catch_warnings():
        # Hyperband restores a parent's weights into a model whose optimizer is not built yet, and Keras says so.
        warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
        model = HeadHyperModel(faces, batch_size)
        make = functools.partial(TUNERS[tuner], model, trials, epochs, log_folder / name, **common)
        tuned = tuners.begun(make, folder / name, trials)
        with _collector_spared():
            ranked = [_trial(trial) for trial in tuners.run(tuned, folder / name, epochs=epochs)]
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
