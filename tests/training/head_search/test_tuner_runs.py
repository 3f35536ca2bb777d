"""What happens to a search whose trials fail: their reason is told, the search goes on, three in a row end it."""

from pathlib import Path

import keras
import keras_tuner
import pytest

from runtime import console
from training.head_search import tuner_runs


class Failing(keras_tuner.HyperModel):
    """Trials whose number is in `failing` fail with `error`."""

    def __init__(self, failing: range, error: Exception):
        super().__init__()
        self.failing, self.error, self.begun = failing, error, 0

    def build(self, hp):
        hp.Float("rate", 0, 1)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp, model, *args, **kwargs):
        self.begun += 1
        if self.begun in self.failing:
            raise self.error
        return {"loss": hp.get("rate")}


def searched(model: Failing, folder: Path, trials: int = 6) -> list:
    def make():
        shown = tuner_runs.make_logged_tuner(
            keras_tuner.RandomSearch,
            trials,
            folder / "logs",
            lambda values: f"rate {values['rate']:.2f}",
        )
        objective = keras_tuner.Objective("loss", "min")
        return shown(
            model,
            objective=objective,
            max_trials=trials,
            seed=1,
            directory=folder,
            project_name="search",
        )

    return tuner_runs.run_tuner(tuner_runs.start_tuner(make, trials), folder / "search")


def test_a_failed_trial_tells_its_reason_and_the_search_goes_on(tmp_path, capsys):
    model = Failing(
        range(2, 4), keras_tuner.errors.FailedTrialError("The loss became NaN at a rate of 1.")
    )
    found = searched(model, tmp_path)
    assert len(found) == 4 and [trial.score for trial in found] == sorted(
        trial.score for trial in found
    )
    told = capsys.readouterr().err
    assert told.count("failed: The loss became NaN at a rate of 1.  rate ") == 2
    assert "trial   6/6  loss 0." in told and "Traceback" not in told


def test_three_failures_in_a_row_end_the_search_with_one_sentence(tmp_path):
    model = Failing(range(2, 9), keras_tuner.errors.FailedTrialError("The loss became NaN."))
    with pytest.raises(
        console.PlainError,
        match="Three trials in a row failed; the messages above say why. Delete .*search",
    ):
        searched(model, tmp_path)
    assert model.begun == 4


def test_a_plain_error_in_a_trial_ends_the_search_as_it_is(tmp_path):
    with pytest.raises(console.PlainError, match="was altered"):
        searched(
            Failing(
                range(1, 9), tuner_runs.SearchStopped(console.PlainError("A picture was altered."))
            ),
            tmp_path,
        )


def test_a_search_without_a_finished_trial_says_so(tmp_path):
    model = Failing(range(1, 9), keras_tuner.errors.FailedTrialError("The loss became NaN."))
    with pytest.raises(console.PlainError, match="No trial could be finished"):
        searched(model, tmp_path, trials=2)
