"""Search heads over bases, taps and input sizes with KerasTuner; a search can be resumed."""

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
from keras_tuner.engine.trial import Trial

from training.features.training_features import TrainingFeatures
from training.head_search import tuner_runs
from training.head_search.batched_tuner import BatchedHyperbandOracle, BatchedTuner
from training.head_search.head_spec import HeadSpec, HeadTrial, describe_hp_values
from training.head_search.heads import HEAD_SPACE_VERSION, HeadHyperModel
from training.head_search.tuner_runs import LoggedTuner, TrialLog
from training.run_folders import RunFolders
from training.settings import SearchConfig, TunerName

KNOWN_SOURCES_OBJECTIVE = keras_tuner.Objective("val_loss", "min")
LEFT_OUT_OBJECTIVE = keras_tuner.Objective("val_auc", "max")
"""For trials that are scored on sources left out; see source_folds.py."""


class LoggedHyperband(LoggedTuner, keras_tuner.Hyperband):
    """KerasTuner's Hyperband, one trial at a time."""


class LoggedRandomSearch(LoggedTuner, keras_tuner.RandomSearch):
    """KerasTuner's random search, one trial at a time."""


class LoggedBayesianOptimization(LoggedTuner, keras_tuner.BayesianOptimization):
    """KerasTuner's Bayesian optimisation, one trial at a time."""


def _make_hyperband_limits(config: SearchConfig) -> dict[str, int]:
    return {"max_epochs": config.epochs, "factor": 3, "hyperband_iterations": config.trials}


def _make_random_limits(config: SearchConfig) -> dict[str, int]:
    return {"max_trials": config.trials}


def _make_bayesian_limits(config: SearchConfig) -> dict[str, int]:
    # KerasTuner's default, three random trials per hyperparameter, would leave hardly one for the
    # Bayesian part.
    return {"max_trials": config.trials, "num_initial_points": max(1, config.trials // 2)}


@dataclass(frozen=True, kw_only=True)
class SearchMethod:
    """A way to propose trials.

    Attributes:
        tuner_class: trains one trial after the other in Keras.
        oracle_class: proposes trials for batched training.
        max_trials_per_batch: a Bayesian oracle should see results before it proposes many.
        make_limits: returns the options of tuner and oracle that bound the search.
    """

    tuner_class: type[keras_tuner.Tuner]
    oracle_class: type[keras_tuner.Oracle]
    max_trials_per_batch: int
    make_limits: Callable[[SearchConfig], dict[str, int]]


SEARCH_METHODS = {
    "hyperband": SearchMethod(
        tuner_class=LoggedHyperband,
        oracle_class=BatchedHyperbandOracle,
        max_trials_per_batch=16,
        make_limits=_make_hyperband_limits,
    ),
    "random": SearchMethod(
        tuner_class=LoggedRandomSearch,
        oracle_class=keras_tuner.oracles.RandomSearchOracle,
        max_trials_per_batch=16,
        make_limits=_make_random_limits,
    ),
    "bayesian": SearchMethod(
        tuner_class=LoggedBayesianOptimization,
        oracle_class=keras_tuner.oracles.BayesianOptimizationOracle,
        max_trials_per_batch=4,
        make_limits=_make_bayesian_limits,
    ),
}


def choose_method(tuner: TunerName, *, is_logistic: bool) -> TunerName:
    """Return the search method for `--tuner`.

    Hyperband saves epochs, which logistic regression does not have: a random search replaces it.
    """
    return "random" if is_logistic and tuner == "hyperband" else tuner


def search_heads(
    features: Mapping[str, TrainingFeatures],
    config: SearchConfig,
    dataset_key: object,
    folders: RunFolders,
) -> list[HeadTrial]:
    """Run or resume a search and return its trials, best first; a worker returns none.

    Args:
        features: by base.
        dataset_key: identifies the features; another key is another search. It must be JSON.
        folders: the search gets a folder of its own in `searches` and in `search_logs`.

    Raises:
        PlainError: every trial failed, three in a row did, or the search on disk is damaged.
    """
    # Python's random must be seeded right before the oracle is made: see seed_head_oracle.
    oracle_seed = tuner_runs.seed_head_oracle(config.seed)
    name = _make_search_name(config, dataset_key)
    project_folder = folders.searches / name
    make_tuner = functools.partial(
        _make_tuner,
        config,
        HeadHyperModel(features, config.batch_size, linear_only=config.linear_only),
        folders.search_logs / name,
        seed=oracle_seed,
        directory=folders.searches,
        project_name=name,
    )
    with warnings.catch_warnings():
        # Hyperband restores a trial's weights into a model whose optimizer is not built yet, and
        # Keras warns of it.
        warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
        with tuner_runs.hold_search(project_folder), _freeze_garbage_collector():
            tuner = tuner_runs.start_tuner(make_tuner, config.trials)
            finished = tuner_runs.run_tuner(tuner, project_folder, epochs=config.epochs)
            if not tuner_runs.is_worker():
                _delete_trial_weights(project_folder)
    return [_make_head_trial(trial) for trial in finished]


def _make_search_name(config: SearchConfig, dataset_key: object) -> str:
    """Return a digest of everything that decides the search's results."""
    key = [
        dataset_key,
        HEAD_SPACE_VERSION,
        config.tuner,
        config.trials,
        config.epochs,
        config.batch_size,
        config.seed,
        config.trainer == "keras",
    ]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]


def _make_tuner(
    config: SearchConfig, hypermodel: HeadHyperModel, log_folder: Path, *, seed: int, **project
) -> keras_tuner.Tuner:
    ranks_left_out = any(table.is_logistic for table in hypermodel.features.values())
    method = SEARCH_METHODS[choose_method(config.tuner, is_logistic=ranks_left_out)]
    options = {
        "objective": LEFT_OUT_OBJECTIVE if ranks_left_out else KNOWN_SOURCES_OBJECTIVE,
        "seed": seed,
        **method.make_limits(config),
    }
    trial_log = TrialLog(config.trials, log_folder, describe_hp_values)
    if config.trainer == "keras" and not ranks_left_out:
        tuner = method.tuner_class(hypermodel, trial_log=trial_log, **options, **project)
    else:
        limit = method.max_trials_per_batch
        if tuner_runs.is_worker():
            limit = min(limit, 2 * os.cpu_count())  # leave trials for the other workers
        tuner = BatchedTuner(
            method.oracle_class(**options),
            hypermodel,
            max_trials_per_batch=limit,
            seed=config.seed,
            trial_log=trial_log,
            **project,
        )
    tuner.oracle.max_trials = config.trials  # Hyperband counts sweeps, people count trials
    return tuner


@contextlib.contextmanager
def _freeze_garbage_collector() -> Iterator[None]:
    """Spare the garbage collector the libraries' own million objects.

    KerasTuner collects twice per trial, which was a quarter of it: 0.57 of 2.3 seconds.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _make_head_trial(trial: Trial) -> HeadTrial:
    loss, auc = (
        trial.metrics.get_best_value(name) if trial.metrics.exists(name) else float("nan")
        for name in ("val_loss", "val_auc")
    )
    values = dict(trial.hyperparameters.values)
    # KerasTuner counts epochs from where Hyperband continued the head.
    epochs = values.get("tuner/initial_epoch", 0) + int(trial.best_step) + 1
    return HeadTrial(
        spec=HeadSpec.from_hp(values),
        loss=float(loss),
        auc=float(auc),
        epochs=epochs,
        hyperband={name: value for name, value in values.items() if name.startswith("tuner/")},
    )


def _delete_trial_weights(project_folder: Path) -> None:
    """Delete the checkpoints: only a running search needs them; the final heads train anew."""
    for path in project_folder.glob("trial_*/checkpoint*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
