"""KerasTuner over heads, bases, taps and input sizes on cached features: one search, resumable, one leaderboard."""

import contextlib
import functools
import gc
import hashlib
import json
import os
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
from training.wave import WaveHyperband, WaveTuner

OBJECTIVE = "val_loss"


@dataclass(frozen=True)
class Trial:
    """One row of the leaderboard: hyperparameters, validation loss, validation AUC, epochs up to the best one."""

    values: dict[str, Any]
    loss: float
    auc: float
    epochs: int


@dataclass(frozen=True)
class Way:
    """A way to search.

    Attributes:
        tuner: KerasTuner's own, which trains one trial after the other.
        oracle: what proposes trials to a wave.
        wave: trials that a wave has at most; a Bayesian oracle should see results before it proposes many.
        options: of tuner and oracle, from the numbers of trials and epochs.
    """

    tuner: type[keras_tuner.Tuner]
    oracle: type[keras_tuner.Oracle]
    wave: int
    options: Callable[[int, int], dict[str, int]]


TUNERS = {
    "hyperband": Way(
        keras_tuner.Hyperband,
        WaveHyperband,
        16,
        lambda trials, epochs: {"max_epochs": epochs, "factor": 3, "hyperband_iterations": trials},
    ),
    "random": Way(
        keras_tuner.RandomSearch, keras_tuner.oracles.RandomSearchOracle, 16, lambda trials, epochs: {"max_trials": trials}
    ),
    "bayesian": Way(
        keras_tuner.BayesianOptimization,
        keras_tuner.oracles.BayesianOptimizationOracle,
        4,
        # KerasTuner's own choice, three random trials for each hyperparameter, would leave hardly one for the Bayesian part
        lambda trials, epochs: {"max_trials": trials, "num_initial_points": max(1, trials // 2)},
    ),
}


def _tuner(
    name: str, one_by_one: bool, model: HeadHyperModel, trials: int, epochs: int, seed: int, log_folder: Path, **project
) -> keras_tuner.Tuner:
    way, objective = TUNERS[name], keras_tuner.Objective(OBJECTIVE, "min")
    said = {"objective": objective, "seed": seed, **way.options(trials, epochs)}
    if one_by_one:
        tuner = tuners.shown(way.tuner, trials, log_folder, describe)(model, **said, **project)
    else:
        # Of several workers none should take all that there is.
        lanes = min(way.wave, 2 * os.cpu_count()) if tuners.is_worker() else way.wave
        oracle = way.oracle(**said)
        tuner = tuners.shown(WaveTuner, trials, log_folder, describe)(oracle, model, lanes, seed, log_folder, **project)
    tuner.oracle.max_trials = trials  # Hyperband counts sweeps, people count trials
    return tuner


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
    one_by_one: bool = False,
) -> list[Trial]:
    """Runs or carries on a search and returns its trials, the best first; none if this is a worker of a chief elsewhere.

    Args:
        faces: features and labels, by base.
        key: whatever else decides the search; another key is another search.
        folder, log_folder: where searches and their TensorBoard runs are kept; this one gets a folder in each.
        one_by_one: trains every trial by itself, in Keras.

    Raises:
        PlainError: every trial failed, three in a row did, or the kept search is damaged.
    """
    import keras

    keras.utils.set_random_seed(seed)
    parts = [key, SPACE_VERSION, tuner, trials, epochs, batch_size, seed, one_by_one]
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    project = {"directory": folder, "project_name": name}
    with warnings.catch_warnings():
        # Hyperband restores a parent's weights into a model whose optimizer is not built yet, and Keras says so.
        warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
        model = HeadHyperModel(faces, batch_size)
        make = functools.partial(_tuner, tuner, one_by_one, model, trials, epochs, seed, log_folder / name, **project)
        with tuners.alone(folder / name), _collector_spared():
            tuned = tuners.begun(make, trials)
            ranked = [_trial(trial) for trial in tuners.run(tuned, folder / name, epochs=epochs)]
            if not tuners.is_worker():
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
