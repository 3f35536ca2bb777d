"""The table of detectors says which answers and why; a choice holds until it is taken back."""

from dataclasses import replace
from pathlib import Path

import pytest

from detection.models.answering import find_answering_detector
from detection.models.models import list_detectors, use_detector
from detection.models.settings import ModelsSettings, UseSettings
from runtime import console
from toys.commands import run_command
from toys.saved_detectors import copy_detector, mark_as_validated
from training.cuts.left_out import LeftOutSource
from training.detectors.card import read_card


def use(models: Path, name: str = "", none: bool = False) -> None:
    use_detector(UseSettings(name=name, none=none, saved_models=models))


def list_rows(output: str) -> dict[str, str]:
    """Return the rows of the printed table by the name of the detector."""
    rows = [line.split() for line in output.splitlines()]
    return {row[0]: " ".join(row) for row in rows if row and "2026" in " ".join(row)}


def test_the_table_has_state_figures_on_sources_left_out_and_who_answers(
    toy, models, ready, capsys
):
    cut = read_card(toy).calibration.point.false_alarm_cut
    left_out = LeftOutSource(
        source="kaggle",
        label=0,
        lowest=(-9.0, -9.0, -9.0, 9.0),
        highest=(-9.0, -9.0, -9.0, 9.0),
        groups=(0, 1, 2, 3),
        limits=tuple(cut.limit for _ in read_card(toy).calibration.false_alarm_cuts),
    )
    copy_detector(toy, models / "faces", "2026-01-03", left_out=(left_out,))
    copy_detector(toy, models / "later", "2026-01-04")
    copy_detector(toy, models / "sample", "2026-01-05", practice=True)
    mark_as_validated(models / "faces")
    copy_detector(toy, ready, "2026-01-06")
    list_detectors(ModelsSettings(saved_models=models))
    output = capsys.readouterr()
    rows = list_rows(output.out)
    assert list(rows) == ["sample", "later", "faces", "telltale-faces"]
    assert rows["faces"] == ("faces mobilenet_v2 2026-01-03 validated 25% of 4 not measured yes")
    assert output.err.startswith(
        "faces answers (the newest of your validated detectors).\nlater is"
    )
    for name, state in (
        ("later", "not validated"),
        ("sample", "practice"),
        ("telltale-faces", "comes with Telltale"),
    ):
        assert f" {state} not measured not measured" in rows[name] and "yes" not in rows[name]


def test_a_broken_choice_does_not_hide_the_table(toy, models, capsys):
    copy_detector(toy, models / "faces")
    (models / "chosen.json").write_text("{")
    list_detectors(ModelsSettings(saved_models=models))
    output = capsys.readouterr()
    assert "faces" in output.out and "yes" not in output.out
    assert "chosen.json is damaged" in output.err


def test_a_damaged_detector_is_skipped_with_one_warning(toy, models, capsys):
    copy_detector(toy, models / "faces")
    copy_detector(toy, models / "damaged")
    (models / "damaged" / "card.json").write_text("{")
    list_detectors(ModelsSettings(saved_models=models))
    output = capsys.readouterr()
    assert list(list_rows(output.out)) == ["faces"]
    assert output.err.count("Skipping damaged: ") == 1


def test_without_any_detector_there_is_a_sentence_and_no_table(models, capsys):
    with pytest.raises(console.PlainError, match="holds no detector"):
        list_detectors(ModelsSettings(saved_models=models))
    assert capsys.readouterr().out == ""


def test_a_choice_holds_until_it_is_taken_back(toy, models, ready, capsys):
    copy_detector(toy, ready)
    copy_detector(toy, models / "faces")
    use(models, "faces")
    assert "faces answers now (chosen with" in capsys.readouterr().err
    assert find_answering_detector(models).folder == models / "faces"
    use(models, str(models / "faces"))
    assert find_answering_detector(models).folder == models / "faces"
    use(models, "telltale-faces")
    assert find_answering_detector(models).folder == ready
    use(models, none=True)
    assert "telltale-faces answers now (it comes with Telltale" in capsys.readouterr().err
    assert not (models / "chosen.json").exists()


def test_a_choice_can_be_taken_back_where_then_none_answers(toy, models, capsys):
    copy_detector(toy, models / "faces")
    use(models, "faces")
    use(models, none=True)
    assert "faces is not validated yet" in capsys.readouterr().err


def test_a_detector_that_cannot_answer_is_not_chosen(toy, models, tmp_path):
    copy_detector(toy, models / "faces")
    copy_detector(toy, tmp_path / "elsewhere")
    with pytest.raises(console.PlainError, match=r"fases is not a saved detector\. Did you mean"):
        use(models, "fases")
    with pytest.raises(console.PlainError, match="so it cannot be chosen. Move it there"):
        use(models, str(tmp_path / "elsewhere"))
    with (models / "faces" / "detector.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(console.PlainError, match="was altered since it was saved"):
        use(models, "faces")
    assert not (models / "chosen.json").exists()


def test_a_name_or_none_must_be_given():
    for settings in ({}, {"name": "faces", "none": True}):
        with pytest.raises(ValueError, match="Name one detector, or give --none"):
            replace(UseSettings(name="faces"), **{"name": "", **settings})


def test_the_command_lists_and_chooses(workplace):
    listed = run_command("detection", "models", cwd=workplace)
    assert listed.returncode == 0, listed.stderr
    assert "toy answers (chosen with python -m detection models use)" in listed.stderr
    refused = run_command("detection", "models", "use", "tyo", cwd=workplace)
    assert refused.returncode == console.EXIT_BAD_MODEL
    assert "Did you mean saved_models/toy?" in refused.stderr
