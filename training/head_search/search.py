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

import keras_tuner

from training.features.training_features import TrainingFeatures
from training.head_search import tuner_runs
from training.head_search.batched_tuner import BatchedHyperbandOracle, BatchedTuner
from training.head_search.head_spec import HeadTrial, describe_head_spec
from training.head_search.heads import HEAD_SPACE_VERSION, HeadHyperModel

HEAD_OBJECTIVE = "val_loss"


@dataclass(frozen=True)
class SearchMethod:
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


SEARCH_METHODS = {
    "hyperband": SearchMethod(
        keras_tuner.Hyperband,
        BatchedHyperbandOracle,
        16,
        lambda trials, epochs: {"max_epochs": epochs, "factor": 3, "hyperband_iterations": trials},
    ),
    "random": SearchMethod(
        keras_tuner.RandomSearch,
        keras_tuner.oracles.RandomSearchOracle,
        16,
        lambda trials, epochs: {"max_trials": trials},
    ),
    "bayesian": SearchMethod(
        keras_tuner.BayesianOptimization,
        keras_tuner.oracles.BayesianOptimizationOracle,
        4,
        # KerasTuner's own choice, three random trials for each hyperparameter, would leave hardly one for the Bayesian part
        lambda trials, epochs: {"max_trials": trials, "num_initial_points": max(1, trials // 2)},
    ),
}


def _make_tuner(
    name: str,
    one_by_one: bool,
    model: HeadHyperModel,
    trials: int,
    epochs: int,
    seed: int,
    log_folder: Path,
    **project,
) -> keras_tuner.Tuner:
    way, objective = SEARCH_METHODS[name], keras_tuner.Objective(HEAD_OBJECTIVE, "min")
    said = {"objective": objective, "seed": seed, **way.options(trials, epochs)}
    if one_by_one:
        tuner = tuner_runs.make_logged_tuner(way.tuner, trials, log_folder, describe_head_spec)(
            model, **said, **project
        )
    else:
        # Of several workers none should take all that there is.
        lanes = min(way.wave, 2 * os.cpu_count()) if tuner_runs.is_worker() else way.wave
        oracle = way.oracle(**said)
        tuner = tuner_runs.make_logged_tuner(BatchedTuner, trials, log_folder, describe_head_spec)(
            oracle, model, lanes, seed, log_folder, **project
        )
    tuner.oracle.max_trials = trials  # Hyperband counts sweeps, people count trials
    return tuner


def search_heads(
    faces: Mapping[str, TrainingFeatures],
    key: object,
    folder: Path,
    log_folder: Path,
    tuner: str,
    trials: int,
    epochs: int,
    batch_size: int,
    seed: int,
    one_by_one: bool = False,
) -> list[HeadTrial]:
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
    parts = [key, HEAD_SPACE_VERSION, tuner, trials, epochs, batch_size, seed, one_by_one]
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    project = {"directory": folder, "project_name": name}
    with warnings.catch_warnings():
        # Hyperband restores a parent's weights into a model whose optimizer is not built yet, and Keras says so.
        warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
        model = HeadHyperModel(faces, batch_size)
        make = functools.partial(
            _make_tuner,
            tuner,
            one_by_one,
            model,
            trials,
            epochs,
            seed,
            log_folder / name,
            **project,
        )
        with tuner_runs.hold_search(folder / name), _freeze_garbage_collector():
            tuned = tuner_runs.start_tuner(make, trials)
            ranked = [
                _make_head_trial(trial)
                for trial in tuner_runs.run_tuner(tuned, folder / name, epochs=epochs)
            ]
            if not tuner_runs.is_worker():
                _delete_trial_weights(folder / name)
    return ranked


@contextlib.contextmanager
def _freeze_garbage_collector() -> Iterator[None]:
    """KerasTuner collects garbage twice a trial; without the libraries' own million objects that takes no time.

    It was a quarter of a trial: 0.57 of 2.3 seconds.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _make_head_trial(trial) -> HeadTrial:
    auc = (
        trial.metrics.get_best_value("val_auc") if trial.metrics.exists("val_auc") else float("nan")
    )
    values = dict(trial.hyperparameters.values)
    # KerasTuner counts from where Hyperband carried the head on.
    epochs = values.get("tuner/initial_epoch", 0) + int(trial.best_step) + 1
    return HeadTrial(values, float(trial.score), float(auc), epochs)


def _delete_trial_weights(project: Path) -> None:
    """The winner is trained again, so the trials' weights are needed for carrying on only."""
    for weights in project.glob("trial_*/checkpoint*"):
        shutil.rmtree(weights) if weights.is_dir() else weights.unlink()
