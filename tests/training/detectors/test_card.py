"""A card has plausible values, the name of its folder, and a date that has been."""

import dataclasses
import datetime
import json
from pathlib import Path

import pytest

from runtime import console
from training.detectors import ready_detectors, saved_models
from training.detectors.card import CARD_FILE, read_card, write_card

READY = ready_detectors.READY_FOLDER / "telltale-faces"


def write_content(folder: Path, content: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_FILE).write_text(json.dumps(content))
    return folder


IMPOSSIBLE = {
    "created": ["zzzz no date", "", "2026-13-01", None],
    "dataset.images": [{}, {"train": {"real": 1, "generated": 1}}],
    "dataset.images.train": [{"real": 5}, {"real": -1, "generated": 2}, {"real": 1e30}],
    "dataset.images.hold-out.real": [10**30, "many", None],
    "base": [{}, {"name": "mobilenet_v2"}, None],
    "calibration.temperature": [0, -1, float("nan"), float("inf")],
    "calibration.threshold": [2, float("nan")],
    "calibration.false_alarm_cuts.0.groups": [-5, 10**30],
    "calibration.miss_cuts.0.expected": [10**30, -0.1, float("nan")],
    "calibration.miss_cuts.0.high": [1.5],
    "metrics.auc": [7, float("nan")],
    "metrics.log_loss": [-1, float("inf")],
    "parity": [float("nan"), -1],
    "image_size": [10**9, 0],
    "left_out.0.lowest": [[float("inf")], []],
    "left_out.0.highest": [[float("-inf")], [], [-1e3] * 110],
    "crop": ["../x"],
    "attribution.cut": [-0.1, 1.5, float("nan")],
    "attribution.generators": [[], ["stylegan2"], ["one", "two"]],
    "attribution.tensors": [[], ["head1_1/logit_1/BiasAdd:0"], ["", "", ""]],
    "attribution.kernel": [[], [[0.0] * 7] * 7],
    "attribution.kernel.0": [[], [float("inf")] * 7],
    "attribution.bias.0": [float("nan")],
    "attribution.known": [[]],
    "attribution.known.0.images": [0, -1, 10**30],
    "attribution.known.0.groups": [0, 10**6],
    "attribution.left_out.0.none": [-1, 10**6],
}


@pytest.mark.parametrize("field", IMPOSSIBLE)
def test_a_card_of_impossible_values_is_damaged(field, tmp_path):
    for value in IMPOSSIBLE[field]:
        content = json.loads((READY / CARD_FILE).read_text())
        *parents, last = [int(key) if key.isdigit() else key for key in field.split(".")]
        part = content
        for key in parents:
            part = part[key]
        part[last] = value
        folder = write_content(tmp_path / "odd", content)
        with pytest.raises(console.PlainError, match="is damaged") as caught:
            read_card(folder)
        assert caught.value.exit_code == console.EXIT_BAD_MODEL, value


def test_the_cards_of_the_ready_detectors_are_whole():
    for path in ready_detectors.find_ready_detectors():
        assert read_card(path).name == path.name


def test_a_detector_has_the_name_of_its_folder(tmp_path, monkeypatch):
    card = dataclasses.replace(read_card(READY), name="mine")
    (tmp_path / "stranger").mkdir()
    write_card(tmp_path / "stranger", card)
    assert read_card(tmp_path / "stranger").name == "stranger"
    monkeypatch.chdir(tmp_path / "stranger")
    assert read_card(Path()).name == "stranger"
    assert "stranger" in str(read_card(Path()).make_statement())


def test_a_date_in_the_future_is_not_the_newest(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    for name, days in (("mine", -2), ("older", -3), ("stranger", 400)):
        (tmp_path / name).mkdir()
        created = (now + datetime.timedelta(days)).isoformat()
        write_card(tmp_path / name, dataclasses.replace(read_card(READY), created=created))
    assert saved_models.find_newest(saved_models.read_cards(tmp_path)) == "mine"
