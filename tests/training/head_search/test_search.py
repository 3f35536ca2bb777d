"""One search over bases, one leaderboard; resumed after a crash, never repeated or mixed up."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from runtime import console
from runtime.terminal import time_left
from toys.features import make_toy_features
from training.head_search import batched_training, leaderboard, search
from training.head_search.search import SEARCH_METHODS
from training.run_folders import RunFolders
from training.settings import SearchConfig


def run(folder, key="key", **changes):
    options = {"tuner": "random", "trials": 3, "epochs": 3, "batch_size": 16, "seed": 0}
    features = {"mobilenet_v2": make_toy_features(), "xception": make_toy_features()}
    folders = RunFolders(folder, folder / "logs", folder)
    return search.search_heads(features, SearchConfig(**options | changes), key, folders)


BOTH = pytest.mark.parametrize("trainer", ["batched", "keras"])


@BOTH
@pytest.mark.parametrize("tuner", list(SEARCH_METHODS))
def test_every_tuner_runs_the_trials_asked_for_and_ranks_them(tmp_path, tuner, trainer):
    trials = run(tmp_path, tuner=tuner, trials=5, trainer=trainer)
    assert len(trials) == 5
    assert [trial.loss for trial in trials] == sorted(trial.loss for trial in trials)
    assert all(0 <= trial.auc <= 1 and 1 <= trial.epochs <= 3 for trial in trials)


def test_a_finished_search_is_read_not_run(tmp_path, capsys, monkeypatch):
    first = run(tmp_path)
    monkeypatch.setattr(batched_training, "train_heads", lambda *_: pytest.fail("a trial was run"))
    assert run(tmp_path) == first
    assert "3 trials, 3 of them done before" in capsys.readouterr().err


@pytest.mark.parametrize(("trainer", "n_done", "trials"), [("batched", 16, 18), ("keras", 1, 3)])
def test_a_search_says_how_long_is_left_once_trials_have_ended(
    tmp_path, trainer, n_done, trials, capsys, monkeypatch
):
    monkeypatch.setattr(time_left, "MIN_ELAPSED_S", 0)
    monkeypatch.setattr(time_left, "MIN_TIME_LEFT_S", 0)
    run(tmp_path, trials=trials, epochs=1, trainer=trainer)  # a batch has 16
    assert capsys.readouterr().err.count(f" left ({n_done} of {trials} done).") == 1


def test_a_batch_of_trials_that_died_is_trained_again_and_those_before_it_are_not(
    tmp_path, monkeypatch
):
    train_heads, batches = batched_training.train_heads, []

    def dies_in_the_third(features, plans, *args):
        batches.append(len(plans))
        if len(batches) == 3:
            raise KeyboardInterrupt
        return train_heads(features, plans, *args)

    whole = run(tmp_path / "whole", tuner="hyperband", trials=12, epochs=9)
    monkeypatch.setattr(batched_training, "train_heads", dies_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tuner="hyperband", trials=12, epochs=9)
    done = len(list(tmp_path.glob("searches/*/trial_*/checkpoint.npz")))
    assert run(tmp_path, tuner="hyperband", trials=12, epochs=9) == whole
    assert 0 < done < 12 and sum(batches) - batches[2] <= 12 + done


def test_hyperband_continues_as_many_trials_as_kerastuners_own(tmp_path):
    rounds = []
    for trainer in ("batched", "keras"):
        trials = run(tmp_path, tuner="hyperband", trials=8, epochs=3, trainer=trainer)
        values = [trial.hyperband for trial in trials]
        rounds.append(Counter((row["tuner/bracket"], row["tuner/round"]) for row in values))
        for trial, row in zip(trials, values, strict=True):
            if row["tuner/round"]:
                assert row["tuner/initial_epoch"] < trial.epochs <= row["tuner/epochs"]
    assert rounds[0] == rounds[1] and any(number for _, number in rounds[0])


def test_a_continued_trial_begins_with_the_weights_of_the_earlier_one(tmp_path, monkeypatch):
    train_heads, earlier = batched_training.train_heads, []

    def have_equal_weights(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
        return len(first) == len(second) and all(map(np.array_equal, first, second))

    def watched(features, plans, *args):
        trained = train_heads(features, plans, *args)
        for plan in (plan for plan in plans if plan.initial_weights):
            assert any(have_equal_weights(head.weights, plan.initial_weights) for head in earlier)
        earlier.extend(trained)
        return trained

    monkeypatch.setattr(batched_training, "train_heads", watched)
    trials = run(tmp_path, tuner="hyperband", trials=12, epochs=9)
    assert any("tuner/trial_id" in trial.hyperband for trial in trials)
    for path in tmp_path.glob("searches/*/trial_*/checkpoint.npz"):
        pytest.fail(f"{path} is left")


def test_a_batch_loses_the_trials_that_diverge_alone(tmp_path, monkeypatch, capsys):
    train_heads = batched_training.train_heads

    def first_is_broken(features, plans, *args):
        trained = train_heads(features, plans, *args)
        trained[0].history["val_loss"][0] = float("nan")
        return trained

    monkeypatch.setattr(batched_training, "train_heads", first_is_broken)
    assert len(run(tmp_path, trials=8)) in (6, 7)  # one of each base
    assert "failed: the loss is not finite" in capsys.readouterr().err


def test_a_search_that_died_carries_on(tmp_path, monkeypatch):
    fit = search.HeadHyperModel.fit
    calls = []

    def dies_in_the_third(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(search.HeadHyperModel, "fit", dies_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, trials=4, trainer="keras")
    assert len(run(tmp_path, trials=4, trainer="keras")) == 4
    assert len(calls) == 5


def test_another_key_is_another_search(tmp_path):
    run(tmp_path)
    run(tmp_path, key="other data", trials=2)
    assert len(list((tmp_path / "searches").iterdir())) == 2


def test_a_damaged_search_is_named(tmp_path):
    run(tmp_path)
    (oracle,) = tmp_path.rglob("oracle.json")
    oracle.write_text(oracle.read_text()[:50])
    with pytest.raises(console.PlainError, match="Delete that folder"):
        run(tmp_path)
    shutil.rmtree(oracle.parent)
    assert len(run(tmp_path)) == 3


@BOTH
def test_every_trial_is_one_tensorboard_run_with_curves_and_hyperparameters(tmp_path, trainer):
    run(tmp_path, trainer=trainer)
    runs = {path.parent for path in (tmp_path / "logs").rglob("events.*")}
    assert len(runs) == 3
    for folder in runs:
        events = EventAccumulator(str(folder)).Reload()
        assert {"loss", "auc", "val_loss", "val_auc"} <= set(events.Tags()["scalars"])
        assert len(events.Scalars("val_loss")) == 3
        assert "_hparams_/session_start_info" in events.summary_metadata


def test_weights_of_trials_are_not_kept_and_the_leaderboard_is(tmp_path):
    trials = run(tmp_path)
    assert list(tmp_path.rglob("checkpoint*")) == []
    leaderboard.write_leaderboard(tmp_path / "leaderboard.jsonl", trials)
    rows = [json.loads(line) for line in (tmp_path / "leaderboard.jsonl").read_text().splitlines()]
    assert [row["val_loss"] for row in rows] == [trial.loss for trial in trials]
