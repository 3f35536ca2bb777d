"""Adapt KerasTuner while a search runs, and repair its state after a kill."""

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
import keras_tuner.src.config
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src import utils
from keras_tuner.src.backend import io
from keras_tuner.src.distribute import oracle_client
from keras_tuner.src.engine.metrics_tracking import MetricsTracker

from runtime import atomic_files


@contextlib.contextmanager
def adapt_keras_tuner() -> Iterator[None]:
    """Replace what KerasTuner has no setting for, and restore it at the end.

    These are attributes of KerasTuner's modules: run one search per process at a time.
    """
    with contextlib.ExitStack() as stack:
        for owner, name, value in (
            # KerasTuner writes in place: killed within a write, it leaves a search nobody can read.
            (utils, "save_json", save_json_atomically),
            # TensorFlow's file functions report a full disk with an error type of their own.
            (io, "File", open),
            (io, "makedirs", functools.partial(os.makedirs, exist_ok=True)),
            # No page of stack frames on the screen for a failed trial: the trial's line says why,
            # and its trial.json keeps the frames.
            (keras_tuner.src.config, "DEBUG", False),
        ):
            stack.enter_context(_replace_attribute(owner, name, value))
        yield


def limit_chief_wait(seconds: float) -> contextlib.AbstractContextManager[None]:
    """Return a context in which a worker waits this long for each answer of its chief."""
    return _replace_attribute(oracle_client, "TIMEOUT", seconds)


@contextlib.contextmanager
def _replace_attribute(owner: Any, name: str, value: object) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def save_json_atomically(path: str, content: object) -> str:
    """Replace keras_tuner.src.utils.save_json, with the same arguments and result."""
    text = json.dumps(content)
    atomic_files.write_atomically(Path(path), text.encode())
    return text


def repair_oracle(oracle: keras_tuner.Oracle) -> None:
    """Make an oracle that was just loaded consistent, whenever its process was killed.

    A trial that oracle.json does not know was written a moment before the kill: forget it, and the
    oracle proposes it again unchanged. A trial that has not ended is trained from its beginning.

    Raises:
        ValueError: a trial is missing, or has ended without a result.
    """
    for unknown in oracle.trials.keys() - set(oracle.start_order):
        del oracle.trials[unknown]
    missing = sorted(
        {*oracle.start_order, *oracle.end_order, *_list_bracket_trials(oracle)}
        - oracle.trials.keys()
    )
    if missing:
        raise ValueError(f"trial {missing[0]} is missing")
    for trial in map(oracle.trials.get, oracle.end_order):
        if trial.status != TrialStatus.FAILED and not _has_finite_score(
            trial, oracle.objective.name
        ):
            raise ValueError(f"trial {trial.trial_id} has no result")
    ended = set(oracle.end_order)
    unfinished = [trial_id for trial_id in oracle.start_order if trial_id not in ended]
    oracle._retry_queue = unfinished[::-1]  # KerasTuner runs the last one first
    for trial in map(oracle.trials.get, unfinished):
        trial.metrics, trial.score, trial.status = MetricsTracker(), None, TrialStatus.RUNNING


def _has_finite_score(trial: Trial, objective: str) -> bool:
    is_complete = trial.status == TrialStatus.COMPLETED and trial.metrics.exists(objective)
    return is_complete and trial.score is not None and bool(np.isfinite(trial.score))


def _list_bracket_trials(oracle: keras_tuner.Oracle) -> set[str]:
    """Return the ids of the trials in Hyperband's brackets; none for other oracles."""
    brackets = getattr(oracle, "_brackets", [])
    return {trial["id"] for bracket in brackets for trials in bracket["rounds"] for trial in trials}
