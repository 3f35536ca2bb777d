"""KerasTuner's searches on disk: written whole, checked when they are read, and taken up where they stopped."""

import functools
import json
import os
from pathlib import Path

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.src import utils
from keras_tuner.src.backend import io
from keras_tuner.src.engine.metrics_tracking import MetricsTracker

from runtime import atomic_files


def save_json_atomically(path: str, content: object) -> str:
    """As KerasTuner's own, which writes in place: killed within a write, it left a search that nobody could read any more."""
    text = json.dumps(content)
    atomic_files.write_atomically(Path(path), text.encode())
    return text


utils.save_json = save_json_atomically
# TensorFlow's, which KerasTuner uses, tell of a full disk in a type of their own.
io.File, io.makedirs = open, functools.partial(os.makedirs, exist_ok=True)


def repair_oracle(oracle: keras_tuner.Oracle) -> None:
    """Makes an oracle that was just read whole again, whenever its process died.

    A trial that oracle.json does not know was written down a moment before the end: it is forgotten, and proposed again as it
    would have been. A trial that has not ended is trained from its beginning.

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
    oracle._retry_queue = unfinished[::-1]  # its last is run first
    for trial in map(oracle.trials.get, unfinished):
        trial.metrics, trial.score, trial.status = MetricsTracker(), None, TrialStatus.RUNNING


def _has_finite_score(trial: keras_tuner.engine.trial.Trial, objective: str) -> bool:
    found = trial.status == TrialStatus.COMPLETED and trial.metrics.exists(objective)
    return found and trial.score is not None and bool(np.isfinite(trial.score))


def _list_bracket_trials(oracle: keras_tuner.Oracle) -> set[str]:
    """Trials that Hyperband goes by."""
    brackets = getattr(oracle, "_brackets", [])
    return {trial["id"] for bracket in brackets for trials in bracket["rounds"] for trial in trials}
