"""One search over bases, one leaderboard; carried on after a crash, never repeated, never mixed with another."""

import json
import shutil

import keras_tuner
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection import console
from toy_features import toy_faces
from training import head_search
from training.head_search import TUNERS


def run(folder, **changes):
    options = {"tuner": "random", "trials": 3, "epochs": 3, "batch_size": 16, "seed": 0, "key": "key", **changes}
    faces = {"mobilenet_v2": toy_faces(), "xception": toy_faces()}
    return head_search.search(faces, folder=folder / "searches", log_folder=folder / "logs", **options)


@pytest.mark.parametrize("tuner", list(TUNERS))
def test_every_tuner_runs_the_trials_asked_for_and_ranks_them(tmp_path, tuner):
    found = run(tmp_path, tuner=tuner, trials=5)
    assert len(found) == 5
    assert [trial.loss for trial in found] == sorted(trial.loss for trial in found)
    assert all(0 <= trial.auc <= 1 and 1 <= trial.epochs <= 3 for trial in found)


def test_a_finished_search_is_read_not_run(tmp_path, capsys, monkeypatch):
    first = run(tmp_path)
    monkeypatch.setattr(keras_tuner.Tuner, "run_trial", lambda *_: pytest.fail("a trial was run"))
    assert run(tmp_path) == first
    assert "3 trials, 3 of them done before" in capsys.readouterr().err


def test_a_search_that_died_carries_on(tmp_path, monkeypatch):
    real = head_search.HeadHyperModel.fit
    calls = []

    def dies_in_the_third(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(head_search.HeadHyperModel, "fit", dies_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, trials=4)
    assert len(run(tmp_path, trials=4)) == 4
    assert len(calls) == 5


def test_another_key_is_another_search(tmp_path):
    run(tmp_path)
    run(tmp_path, key="other data", trials=2)
    assert len(list((tmp_path / "searches").iterdir())) == 2


def test_a_damaged_search_is_named(tmp_path):
    run(tmp_path)
    (oracle,) = tmp_path.rglob("oracle.json")
    oracle.write_text(oracle.read_text()[:50])
    with pytest.raises(console.PlainError, match="delete that folder"):
        run(tmp_path)
    shutil.rmtree(oracle.parent)
    assert len(run(tmp_path)) == 3


def test_every_trial_is_one_tensorboard_run_with_curves_and_hyperparameters(tmp_path):
    run(tmp_path)
    runs = {path.parent for path in (tmp_path / "logs").rglob("events.*")}
    assert len(runs) == 3
    for folder in runs:
        events = EventAccumulator(str(folder)).Reload()
        assert {"loss", "auc", "val_loss", "val_auc"} <= set(events.Tags()["scalars"])
        assert len(events.Scalars("val_loss")) == 3
        assert "_hparams_/session_start_info" in events.summary_metadata


def test_weights_of_trials_are_not_kept_and_the_leaderboard_is(tmp_path):
    found = run(tmp_path)
    assert list(tmp_path.rglob("*.weights.h5")) == []
    head_search.keep(tmp_path / "leaderboard.jsonl", found)
    rows = [json.loads(line) for line in (tmp_path / "leaderboard.jsonl").read_text().splitlines()]
    assert [row["val_loss"] for row in rows] == [trial.loss for trial in found]
