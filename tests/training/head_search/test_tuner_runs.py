"""Trials that fail: the reason is printed, the search goes on, three failures in a row end it."""

from pathlib import Path

import keras
import keras_tuner
import pytest
from keras_tuner.src import config as keras_tuner_config
from keras_tuner.src import utils as keras_tuner_utils
from keras_tuner.src.backend import io as keras_tuner_io
from keras_tuner.src.distribute import oracle_client

from runtime import console
from training.head_search import tuner_runs
from training.head_search.search import LoggedRandomSearch
from training.head_search.tuner_runs import TrialLog


class Failing(keras_tuner.HyperModel):
    """Trials whose number is in `failing` fail with `error`."""

    def __init__(self, failing: range, error: Exception):
        super().__init__()
        self.failing, self.error, self.n_started = failing, error, 0

    def build(self, hp):
        hp.Float("rate", 0, 1)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, **kwargs):
        self.n_started += 1
        if self.n_started in self.failing:
            raise self.error
        return {"loss": hp.get("rate")}


def run_search(model: Failing, folder: Path, trials: int = 6) -> list:
    def make():
        return LoggedRandomSearch(
            model,
            trial_log=TrialLog(
                trials, folder / "logs", lambda values: f"rate {values['rate']:.2f}"
            ),
            objective=keras_tuner.Objective("loss", "min"),
            max_trials=trials,
            seed=1,
            directory=folder,
            project_name="search",
        )

    with tuner_runs.hold_search(folder / "search"):
        return tuner_runs.run_tuner(tuner_runs.start_tuner(make, trials), folder / "search")


def test_the_reason_of_a_failed_trial_is_printed_and_the_search_goes_on(tmp_path, capsys):
    model = Failing(
        range(2, 4), keras_tuner.errors.FailedTrialError("The loss became NaN at a rate of 1.")
    )
    trials = run_search(model, tmp_path)
    scores = [trial.score for trial in trials]
    assert len(trials) == 4 and scores == sorted(scores)
    output = capsys.readouterr().err
    assert output.count("failed: The loss became NaN at a rate of 1.  rate ") == 2
    assert "trial   6/6  loss 0." in output and "Traceback" not in output


def test_three_failures_in_a_row_end_the_search_with_one_sentence(tmp_path):
    model = Failing(range(2, 9), keras_tuner.errors.FailedTrialError("The loss became NaN."))
    with pytest.raises(
        console.PlainError,
        match="Three trials in a row failed; the messages above say why. Delete .*search",
    ):
        run_search(model, tmp_path)
    assert model.n_started == 4


def test_a_plain_error_in_a_trial_ends_the_search_as_it_is(tmp_path):
    error = tuner_runs.SearchStopped(console.PlainError("A picture was altered."))
    with pytest.raises(console.PlainError, match="was altered"):
        run_search(Failing(range(1, 9), error), tmp_path)


def test_a_search_without_a_finished_trial_says_so(tmp_path):
    model = Failing(range(1, 9), keras_tuner.errors.FailedTrialError("The loss became NaN."))
    with pytest.raises(console.PlainError, match="No trial finished"):
        run_search(model, tmp_path, trials=2)


def test_keras_tuner_is_as_it_was_before_and_after_a_search(tmp_path):
    def read_attributes() -> list:
        return [
            keras_tuner_config.DEBUG,
            keras_tuner_utils.save_json,
            keras_tuner_io.File,
            keras_tuner_io.makedirs,
            oracle_client.TIMEOUT,
        ]

    original = read_attributes()
    with pytest.raises(ZeroDivisionError), tuner_runs.hold_search(tmp_path):
        assert read_attributes()[:4] != original[:4]
        _ = 1 / 0
    assert read_attributes() == original


def test_a_search_that_carries_on_prints_no_line_of_keras_tuner(tmp_path, capsys):
    for _ in range(2):
        run_search(Failing(range(0), ValueError()), tmp_path, trials=2)
    printed = capsys.readouterr()
    assert "2 trials, 2 of them done before." in printed.err and "Reloading" not in printed.out
