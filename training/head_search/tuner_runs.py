"""What both searches, over heads and over depth, ask of KerasTuner: a TensorBoard run and a line per trial, and to carry on."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import keras_tuner.src.config
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.src.distribute import oracle_client
from keras_tuner.src.distribute import utils as roles
from sklearn.exceptions import ConvergenceWarning

from runtime import atomic_files, console
from training.head_search import resume

keras_tuner.src.config.DEBUG = False
"""No page of frames on the screen for a trial that failed: the line says why, its trial.json keeps the frames."""


CHIEF_TIMEOUT_S = 60
"""Seconds in which a chief has to answer a worker that it answered before; KerasTuner itself waits for an hour."""


class SearchStopped(keras_tuner.errors.FatalError):
    """Carries a PlainError through KerasTuner, which takes any other exception for a failed trial."""


def make_logged_tuner(
    tuner: type[keras_tuner.Tuner],
    trials: int,
    log_folder: Path,
    describe: Callable[[Mapping[str, Any]], str],
) -> type[keras_tuner.Tuner]:
    """The tuner, logging every trial to a run of its own and saying one line when it has finished.

    Args:
        log_folder: gets a run per trial; the hypermodel finds its own in `log_folder`.
        describe: says a trial's values in words.
    """

    class Shown(tuner):
        def reload(self):
            try:
                super().reload()
                if not is_worker():
                    resume.repair_oracle(self.oracle)
            except (
                Exception
            ) as error:  # Whatever half a search raises; nothing but reading it is done here.
                raise _make_damaged_error(Path(self.project_dir), error) from None

        def run_trial(self, trial, *args, **kwargs):
            self.hypermodel.log_folder = log_folder / trial.trial_id
            try:
                return super().run_trial(trial, *args, **kwargs)
            except Exception as error:
                refusal = console.explain_os_error(error)
                if refusal:
                    raise SearchStopped(refusal) from None
                raise

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            done = self.oracle.get_trial(trial.trial_id)
            objective = self.oracle.objective.name
            score = (
                f"{objective} {done.score:.4f}"
                if done.score is not None
                else _describe_failure(done)
            )
            number = int(trial.trial_id) + 1 if is_worker() else len(self.oracle.end_order)
            console.print_message(
                f"trial {number:>3}/{trials}  {score}  {describe(done.hyperparameters.values)}"
            )

    return Shown


def _describe_failure(trial) -> str:
    """The exception's own words, which stand last in the traceback that KerasTuner keeps."""
    last = (trial.message or "").strip().rpartition("\n")[2]
    said = last.partition(": ")[2] if trial.status == TrialStatus.FAILED else last
    return f"{trial.status.lower()}: {said}"


def _make_damaged_error(folder: Path, error: Exception) -> console.PlainError:
    why = str(error.__cause__ or error).partition("\n")[0] or type(error).__name__
    return console.PlainError(
        f"The search in {folder} is damaged ({why}); delete that folder to start it again.",
        console.EXIT_DISK,
    )


@contextlib.contextmanager
def hold_search(folder: Path) -> Iterator[None]:
    """Holds the lock of a search and removes what a killed run left half written; a worker leaves both to its chief.

    Raises:
        PlainError: another process runs this very search.
    """
    if is_worker():
        yield
        return
    with atomic_files.lock_folder(folder):
        for left in folder.rglob(".*.tmp"):
            left.unlink()
        yield


def start_tuner(make: Callable[[], keras_tuner.Tuner], trials: int) -> keras_tuner.Tuner:
    """The tuner that `make` makes, `shown`, of what is kept; says how many trials there are, and how many were done before.

    Raises:
        PlainError: what is kept is damaged.
    """
    chief = get_chief_address()
    tuner = make()
    if is_worker():
        oracle_client.TIMEOUT = CHIEF_TIMEOUT_S
        console.print_message(f"{tuner.tuner_id} works for the chief at {chief}.")
        return tuner
    done = len(tuner.oracle.end_order)
    console.print_message(
        f"{trials} trials, {done} of them done before." if done else f"{trials} trials."
    )
    if chief:
        console.print_message(f"Workers train them; they are waited for at {chief}.")
    return tuner


def get_chief_address() -> str:
    """Where KerasTuner's chief listens if several processes share a search; empty if none do.

    Raises:
        PlainError: only some of the three environment variables are there.
    """
    try:
        return (
            f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"
            if roles.has_chief_oracle()
            else ""
        )
    except RuntimeError as error:
        raise console.PlainError(str(error)) from None


def is_worker() -> bool:
    """Whether the chief of another process hands out the trials."""
    return roles.has_chief_oracle() and not roles.is_chief_oracle()


def run_tuner(tuner: keras_tuner.Tuner, folder: Path, **words) -> list:
    """Searches, and returns KerasTuner's finished trials, the best first; a worker, whose chief has them, returns none.

    Args:
        folder: where the search is kept.
        words: for the tuner's `search`.

    Raises:
        PlainError: every trial failed, or three in a row did; the chief cannot listen, or does not answer.
    """
    import grpc

    try:
        with warnings.catch_warnings():
            # Of the Bayesian search's Gaussian process, which few trials let choose its parameters freely.
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            tuner.search(verbose=0, **words)
    except SearchStopped as stop:
        raise stop.args[0] from None
    except grpc.RpcError:
        raise console.PlainError(
            f"The chief at {get_chief_address()} does not answer; start it, then this worker again: trials are carried on.",
            console.EXIT_REMOTE,
        ) from None
    except RuntimeError as error:
        if "Failed to bind" in str(error):
            raise console.PlainError(
                f"The chief cannot listen at {get_chief_address()}; give an address of this machine and a free port."
            ) from None
        if "consecutive failures" not in str(error):
            raise
        raise console.PlainError(
            f"Three trials in a row failed; the messages above say why. Delete {folder} to start again, with other settings."
        ) from None
    if is_worker():
        return []
    best = tuner.oracle.get_best_trials(len(tuner.oracle.trials))
    finished = [
        trial for trial in best if trial.status == TrialStatus.COMPLETED
    ]  # KerasTuner puts failed ones at the end
    if not finished:
        raise console.PlainError("No trial could be finished; the messages above say why.")
    return finished
