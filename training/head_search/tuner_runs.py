"""Run KerasTuner for head and depth search: seeds, logging, locks, chief and worker roles."""

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.distribute import utils as roles
from sklearn.exceptions import ConvergenceWarning

from runtime import atomic_files, console
from runtime.terminal.counting import format_count
from runtime.terminal.time_left import TimeLeft
from training.head_search import resume

CHIEF_TIMEOUT_S = 60
"""Seconds a chief has to answer a worker once it has answered; KerasTuner itself waits an hour."""


class SearchStopped(keras_tuner.errors.FatalError):
    """Carry a PlainError through KerasTuner, which takes other exceptions for failed trials."""


def seed_head_oracle(seed: int) -> int:
    """Seed Python, NumPy and Keras, and return the seed for the oracle of a head search.

    KerasTuner uses `seed or random.randint(1, 10000)`: with a seed of 0 it draws one from Python's
    `random`, which is seeded here. Make the oracle right after this call.
    """
    import keras

    keras.utils.set_random_seed(seed)
    return seed


def make_depth_oracle_seed(seed: int) -> int:
    """Return the seed for the oracle of a depth search: one more, since KerasTuner ignores 0."""
    return seed + 1


@dataclass(frozen=True)
class TrialLog:
    """The log of a tuner's trials.

    Attributes:
        n_trials: of the whole search.
        log_folder: gets one TensorBoard run per trial.
        describe: returns a trial's values in a few words.
    """

    n_trials: int
    log_folder: Path
    describe: Callable[[Mapping[str, Any]], str]


class LoggedTuner:
    """A mixin in front of a KerasTuner tuner: one TensorBoard run and one printed line per trial,
    and the time left.

    The hypermodel finds the run of the current trial in its attribute `log_folder`. The tuner also
    repairs a search that it resumes, and stops at a full disk instead of counting a failed trial.
    """

    def __init__(self, *args, trial_log: TrialLog, **kwargs):
        self.trial_log = trial_log  # first, because KerasTuner calls reload() in its __init__
        super().__init__(*args, **kwargs)
        self._n_before = 0 if get_chief_address() else len(self.oracle.end_order)
        self._time_left = TimeLeft(trial_log.n_trials - self._n_before)

    def reload(self) -> None:
        try:
            super().reload()
            if not is_worker():
                resume.repair_oracle(self.oracle)
        except Exception as error:  # reading a damaged search can raise anything
            raise _make_damaged_error(Path(self.project_dir), error) from None

    def run_trial(self, trial: Trial, *args, **kwargs):
        self.hypermodel.log_folder = self.trial_log.log_folder / trial.trial_id
        try:
            return super().run_trial(trial, *args, **kwargs)
        except Exception as error:
            explained = console.explain_os_error(error)
            if explained:
                raise SearchStopped(explained) from None
            raise

    def on_trial_begin(self, trial: Trial) -> None:
        super().on_trial_begin(trial)
        if not get_chief_address():  # trials of other processes would have to be known
            sentence = self._time_left.describe(len(self.oracle.end_order) - self._n_before)
            if sentence:
                console.print_message(sentence)

    def on_trial_end(self, trial: Trial) -> None:
        super().on_trial_end(trial)
        ended = self.oracle.get_trial(trial.trial_id)
        objective = self.oracle.objective.name
        has_score = ended.score is not None
        result = f"{objective} {ended.score:.4f}" if has_score else _describe_failure(ended)
        number = int(trial.trial_id) + 1 if is_worker() else len(self.oracle.end_order)
        values = self.trial_log.describe(ended.hyperparameters.values)
        console.print_message(f"trial {number:>3}/{self.trial_log.n_trials}  {result}  {values}")


def _describe_failure(trial: Trial) -> str:
    """Return the exception's message: the last line of the traceback that KerasTuner keeps."""
    last_line = (trial.message or "").strip().rpartition("\n")[2]
    is_failed = trial.status == TrialStatus.FAILED
    return f"{trial.status.lower()}: {last_line.partition(': ')[2] if is_failed else last_line}"


def _make_damaged_error(folder: Path, error: Exception) -> console.PlainError:
    reason = str(error.__cause__ or error).partition("\n")[0] or type(error).__name__
    return console.PlainError(
        f"The search in {folder} is damaged ({reason}). Delete that folder to start it again.",
        console.EXIT_DISK,
    )


@contextlib.contextmanager
def hold_search(folder: Path) -> Iterator[None]:
    """Lock a search's folder and adapt KerasTuner; make and run a tuner only inside.

    Also removes the temporary files of a killed run. A worker leaves lock and files to its chief.

    Raises:
        PlainError: another process runs this search.
    """
    with resume.adapt_keras_tuner():
        if is_worker():
            yield
            return
        with atomic_files.lock_folder(folder):
            for path in folder.rglob(".*.tmp"):
                path.unlink()
            yield


def start_tuner(make: Callable[[], keras_tuner.Tuner], n_trials: int) -> keras_tuner.Tuner:
    """Make a tuner, which loads what an earlier run left, and print how many trials are done.

    Raises:
        PlainError: the search on disk is damaged.
    """
    chief = get_chief_address()
    with contextlib.redirect_stdout(io.StringIO()):  # KerasTuner prints "Reloading Tuner from"
        tuner = make()
    if is_worker():
        console.print_message(f"{tuner.tuner_id} works for the chief at {chief}.")
        return tuner
    n_done = len(tuner.oracle.end_order)
    done_before = f", {n_done} of them done before" if n_done else ""
    console.print_message(f"{format_count(n_trials, 'trial')}{done_before}.")
    if chief:
        console.print_message(f"Workers train the trials; this chief serves them at {chief}.")
    return tuner


def get_chief_address() -> str:
    """Return where KerasTuner's chief listens if several processes share a search; else "".

    Raises:
        PlainError: only some of KerasTuner's three environment variables are set.
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
    """Return whether a chief in another process hands out the trials."""
    return roles.has_chief_oracle() and not roles.is_chief_oracle()


def run_tuner(tuner: keras_tuner.Tuner, folder: Path, **search_arguments) -> list[Trial]:
    """Run the search and return KerasTuner's finished trials, best first; a worker returns none.

    Args:
        folder: of the search, named in error messages.
        search_arguments: for the tuner's `search`.

    Raises:
        PlainError: every trial failed, or three in a row did; the chief cannot listen, or does not
            answer.
    """
    import grpc

    try:
        with warnings.catch_warnings(), resume.limit_chief_wait(CHIEF_TIMEOUT_S):
            # The Bayesian search's Gaussian process warns when few trials leave it undetermined.
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            tuner.search(verbose=0, **search_arguments)
    except SearchStopped as stop:
        raise stop.args[0] from None
    except grpc.RpcError:
        raise console.PlainError(
            f"The chief at {get_chief_address()} does not answer. Start it, then start this worker "
            "again: the search resumes.",
            console.EXIT_REMOTE,
        ) from None
    except RuntimeError as error:
        explained = _explain_runtime_error(error, folder)
        if explained is None:
            raise
        raise explained from None
    return [] if is_worker() else _list_finished_trials(tuner.oracle)


def _explain_runtime_error(error: RuntimeError, folder: Path) -> console.PlainError | None:
    """Return a plain sentence for an error of KerasTuner; None if it is not a known one."""
    if "Failed to bind" in str(error):
        return console.PlainError(
            f"The chief cannot listen at {get_chief_address()}. Give an address of this machine "
            "and a free port."
        )
    if "consecutive failures" in str(error):
        return console.PlainError(
            "Three trials in a row failed; the messages above say why. "
            f"Delete {folder} to start again, with other settings."
        )
    return None


def _list_finished_trials(oracle: keras_tuner.Oracle) -> list[Trial]:
    best = oracle.get_best_trials(len(oracle.trials))  # KerasTuner puts failed ones at the end
    finished = [trial for trial in best if trial.status == TrialStatus.COMPLETED]
    if not finished:
        raise console.PlainError("No trial finished; the messages above say why.")
    return finished
