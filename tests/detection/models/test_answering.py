"""One rule says which detector answers: named, chosen, the newest validated, the ready one."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from detection.models import choice
from detection.models.answering import choose_detector, find_answering_detector
from runtime import console
from toys.saved_detectors import copy_detector, mark_as_validated
from training.detectors import saved_models
from training.detectors.card import read_card


def refuse(models: Path, named: Path | None = None) -> str:
    with pytest.raises(console.PlainError) as caught:
        find_answering_detector(models, named)
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
    return str(caught.value)


def test_the_newest_validated_detector_answers_and_one_line_mentions_a_newer_one(
    toy, models, capsys
):
    for day, name in enumerate(("old", "validated", "new"), 1):
        copy_detector(toy, models / name, f"2026-01-0{day}")
    for name in ("old", "validated"):
        mark_as_validated(models / name)
    answering = choose_detector(models, None)
    assert answering.folder == models / "validated"
    assert answering.reason == "the newest of your validated detectors"
    line = "new is not validated yet and does not answer; run python -m validation --model new, "
    assert capsys.readouterr().err == line + "or name it with --model.\n"
    mark_as_validated(models / "new")
    answering = choose_detector(models, None)
    assert (answering.folder, capsys.readouterr().err) == (models / "new", "")


def test_a_strangers_folder_never_answers_unasked_whatever_its_card_and_report_say(
    toy, models, tmp_path, ready, capsys
):
    copy_detector(toy, models / "mine", "2026-01-01")
    mark_as_validated(models / "mine")
    copy_detector(toy, tmp_path / "handed on" / "stranger", "2026-02-01")
    mark_as_validated(tmp_path / "handed on" / "stranger")
    shutil.copytree(tmp_path / "handed on" / "stranger", models / "stranger")
    answering = choose_detector(models, None)
    assert answering.folder == models / "mine"
    assert capsys.readouterr().err == (
        "stranger was not trained in this folder and does not answer unasked; choose it with "
        "python -m detection models use stranger, or name it with --model.\n"
    )
    for named in (None, read_card(toy).dataset.folder):
        assert saved_models.find_detector(models, named and Path(named)) == models / "mine"
    assert saved_models.find_best_detector(models, None) == models / "mine"
    (models / "mine").rename(models / "renamed")
    assert find_answering_detector(models).folder == models / "renamed"
    shutil.rmtree(models / "renamed")
    assert "stranger was not trained in this folder" in refuse(models)
    with pytest.raises(console.PlainError, match="holds no detector that was trained there"):
        saved_models.find_detector(models, None)
    copy_detector(toy, ready)
    assert find_answering_detector(models).folder == ready
    choice.write_choice(models, "stranger")
    assert find_answering_detector(models).folder == models / "stranger"


def test_a_changed_card_is_no_longer_that_of_a_training(toy, models):
    copy_detector(toy, models / "mine")
    mark_as_validated(models / "mine")
    card = json.loads((models / "mine" / "card.json").read_text())
    card["calibration"]["threshold"] = 0.999
    (models / "mine" / "card.json").write_text(json.dumps(card))
    assert "mine was not trained in this folder" in refuse(models)


def test_an_older_detector_without_a_report_is_not_mentioned(toy, models):
    copy_detector(toy, models / "old", "2026-01-01")
    copy_detector(toy, models / "new", "2026-01-02")
    mark_as_validated(models / "new")
    assert find_answering_detector(models).note == ""


def test_a_report_on_another_model_file_does_not_count(toy, models):
    copy_detector(toy, models / "faces")
    mark_as_validated(models / "faces")
    metrics = models / "faces" / "report" / "metrics.json"
    for damaged in ('{"model_sha256": {"detector.onnx": "0"}}', "[]", "{", '{"model_sha256": 1}'):
        metrics.write_text(damaged)
        assert "faces is not validated yet" in refuse(models)


def test_the_ready_detector_answers_where_none_of_ones_own_may(toy, models, ready):
    copy_detector(toy, ready)
    answering = find_answering_detector(models)
    assert (answering.folder, answering.note) == (ready, "")
    assert "comes with Telltale" in answering.reason
    copy_detector(toy, models / "sample", practice=True)
    mark_as_validated(models / "sample")
    assert find_answering_detector(models).folder == ready
    copy_detector(toy, models / "faces")
    answering = find_answering_detector(models)
    assert answering.folder == ready and answering.note.startswith("faces is not validated yet")
    mark_as_validated(models / "faces")
    assert find_answering_detector(models).folder == models / "faces"
    assert find_answering_detector(models / "nowhere").folder == ready


def test_the_ready_detector_in_the_same_folder_is_not_one_of_ones_own(toy, ready):
    copy_detector(toy, ready, "2030-01-01")
    mark_as_validated(ready)
    copy_detector(toy, ready.parent / "faces", "2026-01-01")
    assert "comes with Telltale" in find_answering_detector(ready.parent).reason
    mark_as_validated(ready.parent / "faces")
    assert find_answering_detector(ready.parent).folder == ready.parent / "faces"


def test_where_nothing_answers_one_sentence_says_what_to_do(toy, models):
    assert "holds no detector. Run python -m training first" in refuse(models)
    copy_detector(toy, models / "sample", practice=True)
    mark_as_validated(models / "sample")
    assert refuse(models) == (
        "sample is for practice and does not answer unasked; name it with --model sample."
    )


def test_a_detector_is_named_by_path_by_name_or_by_its_data_set(toy, models, ready):
    copy_detector(toy, ready)
    data = read_card(toy).dataset
    sample = dataclasses.replace(data, folder="data/sample")
    copy_detector(toy, models / "one", "2026-01-01", dataset=sample, practice=True)
    copy_detector(toy, models / "two", "2026-01-02", dataset=sample, practice=True)
    copy_detector(toy, models / "three", "2026-01-03")
    choice.write_choice(models, "three")
    for named, folder in (
        ("one", models / "one"),
        (models / "one", models / "one"),
        ("telltale-faces", ready),
    ):
        answering = find_answering_detector(models, Path(named))
        assert (answering.folder, answering.reason) == (folder, "named with --model")
    for named in ("sample", "data/sample"):
        answering = find_answering_detector(models, Path(named))
        assert answering.folder == models / "two"
        assert answering.reason == "named with --model, the newest trained on “sample”"
    assert "Did you mean telltale-faces?" in refuse(models, Path("telltale-face"))
    told = refuse(models, Path("unlike"))
    assert told.endswith("Saved detectors are one, three, two, telltale-faces.")


def test_the_chosen_detector_answers_before_validated_ones(toy, models, ready):
    for name in ("faces", "chosen"):
        copy_detector(toy, models / name)
    mark_as_validated(models / "faces")
    choice.write_choice(models, "chosen")
    answering = find_answering_detector(models)
    assert answering.folder == models / "chosen"
    assert answering.reason == "chosen with python -m detection models use"
    copy_detector(toy, ready)
    choice.write_choice(models, "telltale-faces")
    assert find_answering_detector(models).folder == ready


def test_a_choice_that_is_gone_or_damaged_is_a_sentence_and_no_other_answers(toy, models):
    copy_detector(toy, models / "faces")
    mark_as_validated(models / "faces")
    copy_detector(toy, models / "chosen")
    choice.write_choice(models, "chosen")
    (models / "chosen" / "card.json").write_text("{")
    sentence = refuse(models)
    assert sentence.startswith("chosen was chosen to answer, but it cannot answer: ")
    assert "is damaged" in sentence and "models use --none" in sentence
    shutil.rmtree(models / "chosen")
    assert refuse(models).startswith("chosen was chosen to answer, but it is not there any more. ")
    for damaged in ("{", "[]", json.dumps({"detector": "../faces"}), json.dumps({"detector": 1})):
        (models / "chosen.json").write_text(damaged)
        assert "chosen.json is damaged. Choose another" in refuse(models)
