"""The check of evidence finds every edit, another picture and another detector, and figures that do
not repeat."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_collection.images import canonical
from detection.evidence.checks import MAX_PROBABILITY_DIFFERENCE
from detection.evidence.page import render_page
from detection.evidence.read import read_page
from detection.evidence.record import EvidenceRecord
from detection.evidence.thumbnail import render_thumbnail
from detection.own_calibration import OwnCalibration, locate_calibration, write_own_calibration
from toys.commands import run_command
from toys.evidence import GROUP, draw, read_content, split_page
from training.attribution.attribution import GeneratorAnswer, NearestGenerator
from training.cuts.cut import Cut
from training.detectors import card as detector_card
from training.detectors import ready_detectors
from training.detectors.saved_models import ONNX_FILE

READY = ready_detectors.find_ready_detectors()[0]


def rewrite(change: Callable[[EvidenceRecord], EvidenceRecord]) -> None:
    """Make the page of a changed record, as whoever knows how pages are made can."""
    page = Path("evidence.html")
    page.write_bytes(render_page(change(read_page(page).record)))


def change_answer(record: EvidenceRecord, **changes) -> EvidenceRecord:
    return replace(record, answer=replace(record.answer, **changes))


def test_a_page_holds_again_and_does_not_say_who_made_it(write, verify):
    write(prevalence=0.02, any_picture=True)
    outcome = verify()
    assert (outcome.code, outcome.checks) == (0, {})
    assert "does not prove who made the page" in outcome.text


def test_a_page_of_several_faces_at_other_cuts_holds_again(write, verify):
    draw(*GROUP).save("group.png")
    write("group.png", false_alarms=0.05, misses=0.01)
    assert verify(picture="group.png").code == 0
    answer = read_page(Path("evidence.html")).record.answer
    other = replace(answer.faces[2], verdict="generated")
    rewrite(lambda record: change_answer(record, faces=(*answer.faces[:2], other)))
    outcome = verify(picture="group.png")
    assert outcome.code == 1 and list(outcome.checks) == ["faces", "all values"]


def test_the_command_prints_a_table_and_a_sentence(folder, write):
    write()
    done = run_command("detection", "photo.jpg", "--verify", "evidence.html", cwd=folder)
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert done.returncode == 0 and lines[0][:4] == ["what", "the", "page", "says"]
    assert all(line[-1] == "holds" for line in lines[2:]) and len(lines) > 12
    assert "The page holds" in done.stderr and "Traceback" not in done.stderr


EDITS = {
    "a figure": (r"(<dd>)0\.\d{6}", r"\g<1>0.990000"),
    "a sentence": (r"is a photograph\.", "is no photograph."),
    "the headline": (r"<strong>[^<]*", "<strong>Looks generated!"),
    "the thumbnail": ("base64,/9j/4AAQ", "base64,/9j/4AAR"),
    "a box": (r'<rect class="\w+" x="', r'<rect class="real" x="1'),
    "the style": (r"\.quiet \{", ".quiet { display: none; "),
    "a script": ("</main>", "<script>alert(1)</script></main>"),
    "a space at the end": (r"</html>\n$", "</html> \n"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_what_is_shown_is_found_though_the_record_is_as_it_was(write, verify, name):
    write()
    page = Path("evidence.html")
    text = page.read_text(encoding="utf-8")
    edited = re.sub(*EDITS[name], text, count=1)
    assert edited != text
    page.write_text(edited, encoding="utf-8")
    outcome = verify()
    assert outcome.code == 1 and list(outcome.checks) == ["shown text"]
    assert "was changed after it was written" in outcome.text


def test_the_table_names_the_text_that_was_edited(write, verify):
    write()
    page = Path("evidence.html")
    page.write_text(page.read_text(encoding="utf-8").replace("opinion", "certainty"), "utf-8")
    check = verify().checks["shown text"]
    assert "certainty" in check["said"] and "opinion" in check["found"]


def test_an_edit_of_the_record_alone_is_found(write, verify):
    write()
    shown, block = split_page(Path("evidence.html"))
    content = json.loads(block)
    content["record"]["answer"]["probability"] = 0.123
    page = Path("evidence.html")
    page.write_text(page.read_text("utf-8").replace(block, json.dumps(content)), "utf-8")
    outcome = verify()
    assert outcome.code == 1
    assert {"record", "shown text", "probability"} <= set(outcome.checks)


CONSISTENT_EDITS = {
    "verdict": lambda record: change_answer(
        record, verdict={"generated": "real"}.get(record.answer.verdict, "generated")
    ),
    "probability": lambda record: change_answer(
        record, probability=abs(record.answer.probability - 2 * MAX_PROBABILITY_DIFFERENCE)
    ),
    "worth": lambda record: replace(record, worth=replace(record.worth, strangers=())),
    "cuts": lambda record: replace(record, worth=replace(record.worth, cuts="It is always right.")),
    "warnings": lambda record: change_answer(record, warnings=("It is fine.",)),
    "limits": lambda record: replace(record, limits=record.limits[1:]),
    "file": lambda record: replace(record, picture=replace(record.picture, size_bytes=1)),
    "its card": lambda record: replace(
        record, detector=replace(record.detector, card_sha256="0" * 64)
    ),
    "detector": lambda record: replace(record, detector=replace(record.detector, name="better")),
    "thumbnail": lambda record: replace(
        record, picture=replace(record.picture, thumbnail=encode_thumbnail(draw(*GROUP)))
    ),
    "all values": lambda record: replace(
        record, detector=replace(record.detector, created="1999-01-01")
    ),
}


def encode_thumbnail(image: Image.Image) -> str:
    return base64.b64encode(render_thumbnail(image)).decode()


@pytest.mark.parametrize("name", CONSISTENT_EDITS)
def test_a_page_made_anew_of_an_edited_record_is_found_by_repeating(write, verify, name):
    write()
    rewrite(CONSISTENT_EDITS[name])
    outcome = verify()
    assert outcome.code == 1 and name in outcome.checks
    assert not {"record", "shown text"} & set(outcome.checks)


def test_a_generator_that_the_answer_does_not_name_is_found(write, verify):
    write()
    nearest = NearestGenerator(name="sdxl", probability=0.97)
    sdxl = GeneratorAnswer(nearest=nearest, cut=0.5, known=("sdxl", "stylegan2"))
    rewrite(lambda record: change_answer(record, generator=sdxl))
    assert "closest to: sdxl" in Path("evidence.html").read_text("utf-8")
    assert "generator" in verify().checks["all values"]["found"]


def test_a_probability_within_the_tolerance_of_other_processors_holds(write, verify):
    write()
    rewrite(
        lambda record: change_answer(
            record, probability=record.answer.probability + MAX_PROBABILITY_DIFFERENCE / 2
        )
    )
    assert verify().code == 0


@pytest.mark.parametrize("kind", ["a pixel", "encoded again", "another", "no picture"])
def test_another_file_is_told(folder, write, verify, kind):
    write()
    pixels = np.asarray(draw(*GROUP if kind == "another" else GROUP[:1])).copy()
    if kind == "a pixel":
        pixels = np.asarray(load(folder / "photo.jpg")).copy()
        pixels[3, 3] = 0
    if kind == "encoded again":
        pixels = np.asarray(load(folder / "photo.jpg"))
    Image.fromarray(pixels).save("other.png")
    if kind == "no picture":
        (folder / "other.png").write_bytes(b"no picture")
    outcome = verify(picture="other.png")
    assert outcome.code == 1 and "another file than it is about" in outcome.text
    assert {"record", "shown text", "detector"}.isdisjoint(outcome.checks)
    if kind == "a pixel":
        assert outcome.checks["thumbnail"]["found"] == "nearly the same"
    if kind == "encoded again":
        assert "probability" not in outcome.checks and "picture" in outcome.checks
    if kind == "no picture":
        assert "not an image" in outcome.checks["verdict"]["found"]


def load(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def test_a_detector_that_is_not_here_is_code_8_and_another_one_code_1(write, verify):
    write()
    rewrite(
        lambda record: replace(record, detector=replace(record.detector, model_sha256="0" * 64))
    )
    outcome = verify()
    assert outcome.code == 8 and list(outcome.checks) == ["detector"]
    assert "its detector is not here" in outcome.text
    outcome = verify(model=READY)
    assert outcome.code == 1 and list(outcome.checks) == ["its model", "all values"]
    assert "made with another detector" in outcome.text


def test_a_page_of_another_version_says_so_and_its_figures_are_repeated(write, verify):
    write()
    versions = {"Telltale": "99.0", "Pillow": "1.0"}
    rewrite(lambda record: replace(record, layout="0" * 64, versions=versions))
    outcome = verify()
    assert outcome.code == 1
    assert {name: row["state"] for name, row in outcome.checks.items()} == {
        "shown text": "not checked"
    }
    assert "another version of Telltale" in outcome.text and "99.0 (here " in outcome.text
    rewrite(lambda record: change_answer(record, probability=0.5))
    assert "probability" in verify().checks


def calibrate(name: str, limit: float) -> None:
    card = detector_card.read_card(READY)
    path = locate_calibration(READY, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    cuts = tuple(
        Cut(target=cut.target, limit=limit, groups=300, expected=0.01, low=0.0, high=0.02)
        for cut in card.calibration.false_alarm_cuts
    )
    write_own_calibration(
        path,
        OwnCalibration(
            name=name,
            created="2026-01-01T00:00:00+00:00",
            folder="mine",
            detector_sha256=card.sha256[ONNX_FILE],
            canonicaliser=canonical.CANONICALISER_VERSION,
            qualities=card.qualities,
            any_picture=False,
            photographs=300,
            unused={},
            cuts=cuts,
        ),
    )


def test_an_own_calibration_is_repeated_and_its_loss_or_change_is_told(folder, write, verify):
    calibrate("mine", 0.7)
    write(calibration="mine")
    record = read_content(folder / "evidence.html")["record"]
    assert record["options"]["calibration"] == "mine" and verify().code == 0
    assert "--calibration mine" in (folder / "evidence.html").read_text("utf-8")
    calibrate("mine", 0.71)
    outcome = verify()
    assert outcome.code == 1 and {"calibration", "cuts"} <= set(outcome.checks)
    locate_calibration(READY, "mine").unlink()
    outcome = verify()
    assert outcome.code == 1 and "its calibration or cuts are not here" in outcome.text
    assert {row["state"] for row in outcome.checks.values()} == {"not checked"}
    assert "probability" not in outcome.checks
