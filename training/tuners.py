"""What both searches, over heads and over depth, ask of KerasTuner: a TensorBoard run and a line per trial, and to carry on."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import keras_tuner.src.config
from keras_tuner.engine.trial import TrialStatus
from sklearn.exceptions import ConvergenceWarning

from data_collection import console

keras_tuner.src.config.DEBUG = False
"""No page of frames on the screen for a trial that failed: the line says why, its trial.json keeps the frames."""


class Stop(keras_tuner.errors.FatalError):
    """Carries a PlainError through KerasTuner, which takes any other exception for a failed trial."""


def shown(
    tuner: type[keras_tuner.Tuner], trials: int, log_folder: Path, describe: Callable[[Mapping[str, Any]], str]
) -> type[keras_tuner.Tuner]:
    """The tuner, logging every trial to a run of its own and saying one line when it has finished.

    Args:
        log_folder: gets a run per trial; the hypermodel finds its own in `log_folder`.
        describe: says a trial's values in words.
    """

    class Shown(tuner):
        def run_trial(self, trial, *args, **kwargs):
            self.hypermodel.log_folder = log_folder / trial.trial_id
            return super().run_trial(trial, *args, **kwargs)

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            done = self.oracle.get_trial(trial.trial_id)
            objective = self.oracle.objective.name
            score = f"{objective} {done.score:.4f}" if done.score is not None else _why(done)
            console.say(f"trial {len(self.oracle.end_order):>3}/{trials}  {score}  {describe(done.hyperparameters.values)}")

    return Shown


def _why(trial) -> str:
    """The exception's own words, which stand last in the traceback that KerasTuner keeps."""
    last = (trial.message or "").strip().rpartition("\n")[2]
    said = last.partition(": ")[2] if trial.status == TrialStatus.FAILED else last
    return f"{trial.status.lower()}: {said}"


def begun(make: Callable[[], keras_tuner.Tuner], folder: Path, trials: int) -> keras_tuner.Tuner:
    """The tuner that `make` makes of what is kept in `folder`; says how many trials there are, and how many were done before.

    Raises:
        PlainError: what is kept is damaged.
    """
    try:
        tuner = make()
    except (ValueError, KeyError) as error:
        raise console.PlainError(
            f"The search in {folder} is damaged ({error}); delete that folder to start it again.", console.DISK
        ) from None
    done = len(tuner.oracle.end_order)
    console.say(f"{trials} trials, {done} of them done before." if done else f"{trials} trials.")
    return tuner


def run(tuner: keras_tuner.Tuner, folder: Path, **words) -> list:
    """Searches, and returns KerasTuner's finished trials, the best first.

    Args:
        folder: where the search is kept.
        words: for the tuner's `search`.

    Raises:
        PlainError: every trial failed, or three in a row did.
    """
    try:
        with warnings.catch_warnings():
            # Of the Bayesian search's Gaussian process, which few trials let choose its parameters freely.
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            tuner.search(verbose=0, **words)
    except Stop as stop:
        raise stop.args[0] from None
    except RuntimeError as error:
        if "consecutive failures" not in str(error):
            raise
        raise console.PlainError(
            f"Three trials in a row failed; the messages above say why. Delete {folder} to start again, with other settings."
        ) from None
    best = tuner.oracle.get_best_trials(len(tuner.oracle.trials))
    finished = [trial for trial in best if trial.status == TrialStatus.COMPLETED]  # KerasTuner puts failed ones at the end
    if not finished:
        raise console.PlainError("No trial could be finished; the messages above say why.")
    return finished
