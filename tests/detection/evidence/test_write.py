"""A page of evidence says everything that an answer depends on, and nothing about the folder."""

import base64
import datetime
import hashlib
import html
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from detection.predictor import Detector
from detection.settings import DetectionSettings
from toys.evidence import GROUP, MODEL, draw, read_content, split_page
from training.detectors import ready_detectors
from validation.report import report_files

READY = ready_detectors.find_ready_detectors()[0]


def read_text(page: Path) -> str:
    """Return the text that a page shows, on one line."""
    body = split_page(page)[0].partition("<body>")[2]
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", body)).split())


def load(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def test_a_page_says_what_the_answer_depends_on_and_what_it_is_worth(folder, write):
    outcome = write(prevalence=0.02)
    assert outcome.code == 0 and "Evidence: evidence.html" in outcome.text
    detection = Detector.load(READY, prevalence=0.02).predict(folder / "photo.jpg")
    text, record = read_text(folder / "evidence.html"), read_content(folder / "evidence.html")
    statement = Detector.load(READY, prevalence=0.02).statement
    for sentence in (*statement.list_sentences(), *report_files.load_limits(READY)):
        assert " ".join(sentence.split()) in text
    for sha256 in (
        hashlib.sha256((folder / "photo.jpg").read_bytes()).hexdigest(),
        hashlib.sha256((READY / "detector.onnx").read_bytes()).hexdigest(),
        hashlib.sha256((READY / "card.json").read_bytes()).hexdigest(),
        record["record_sha256"],
    ):
        assert sha256 in text
    assert f"{detection.probability:.6f}" in text and f"{detection.at_prevalence:.6f}" in text
    assert record["record"]["answer"]["probability"] == detection.probability
    assert "telltale detect photo.jpg --model telltale-faces --prevalence 0.02" in text
    assert "does not prove who made it" in text
    assert f"{(folder / 'photo.jpg').stat().st_size:,} bytes" in text
    assert str(folder) not in (folder / "evidence.html").read_text()


def test_the_date_is_of_now_in_utc(folder, write):
    write()
    created = read_content(folder / "evidence.html")["record"]["created"]
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(created)
    assert age.total_seconds() < 60 and created.endswith("+00:00")
    assert f"on {created[:10]} at {created[11:19]} UTC" in read_text(folder / "evidence.html")


def test_the_record_is_the_canonical_json_whose_hash_is_told(folder, write):
    write()
    content = read_content(folder / "evidence.html")
    canonical = json.dumps(content["record"], sort_keys=True, separators=(",", ":")).encode()
    assert content["record_sha256"] == hashlib.sha256(canonical).hexdigest()
    shown, _ = split_page(folder / "evidence.html")
    assert content["shown_sha256"] == hashlib.sha256(shown.encode()).hexdigest()


def test_every_face_is_marked_and_listed(folder, write):
    draw(*GROUP).save("group.png")
    write("group.png")
    answer = read_content(folder / "evidence.html")["record"]["answer"]
    shown, text = split_page(folder / "evidence.html")[0], read_text(folder / "evidence.html")
    assert len(answer["faces"]) == shown.count("<rect") == 3
    for face in answer["faces"]:
        box = face["box"]
        assert f'x="{box["left"]}" y="{box["top"]}" width="{box["width"]}"' in shown
        assert f"{face['verdict']} {face['probability']:.6f}" in text
    assert "Of pictures of 3 faces" in text


def test_the_thumbnail_is_small_and_has_no_metadata(folder, write):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "SecretCamera", 6
    draw(*GROUP).rotate(90, expand=True).save("photo.jpg", exif=exif)
    write()
    record = read_content(folder / "evidence.html")["record"]
    jpeg = base64.b64decode(record["picture"]["thumbnail"])
    image = Image.open(io.BytesIO(jpeg))
    assert max(image.size) <= 400 and not image.getexif() and b"SecretCamera" not in jpeg
    assert image.width > image.height  # upright, as the boxes are
    assert (record["picture"]["width"], record["picture"]["height"]) == (820, 500)
    assert "SecretCamera" in read_text(folder / "evidence.html")  # as a claim


def test_a_jpeg_that_was_judged_at_a_part_of_its_size_says_so(folder, write, verify):
    draw(*GROUP).resize((6560, 4000)).save("large.jpg")
    write("large.jpg")
    text = read_text(folder / "evidence.html")
    assert "it was judged at 3,280 x 2,000 pixels" in text and "6,560 x 4,000 pixels" in text
    assert verify(picture="large.jpg").code == 0


def test_texts_of_strangers_are_shown_as_text(folder, write):
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", "</script><script>alert(1)</script><img src=http://evil.example>")
    name = "<b>it's\u202egnp.exe' & \n$(x).png"
    draw(*GROUP).save(name, pnginfo=info)
    assert write(name).code == 0
    page = (folder / "evidence.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1 and page.count("</script>") == 1 and page.count("<img") == 1
    assert "<b>it" not in page and "\u202e" not in page
    assert "<b>it's" in read_text(folder / "evidence.html")


def test_a_name_that_begins_like_an_option_is_a_file_in_the_commands(folder, write):
    draw(*GROUP).save("-model.png")
    write("./-model.png")
    assert "telltale detect ./-model.png --model" in read_text(folder / "evidence.html")


def test_the_cuts_that_were_asked_for_stand_in_the_command_and_decide(folder, write):
    write(false_alarms=0.01, any_picture=True)
    text = read_text(folder / "evidence.html")
    assert "--model telltale-faces --false-alarms 0.01 --any-picture" in text
    expected = Detector.load(READY, false_alarms=0.01).statement
    assert expected.cuts in text and expected.promise[0] in text


@pytest.mark.parametrize(
    ("data", "reason"), [(b"no picture", "not an image"), (None, "no such file")]
)
def test_a_picture_that_is_not_judged_has_no_page_and_a_sentence(folder, write, data, reason):
    if data:
        (folder / "other.jpg").write_bytes(data)
    outcome = write("other.jpg")
    assert outcome.code == 1 and reason in outcome.text
    assert "No evidence was written: other.jpg was not judged." in outcome.text
    assert not (folder / "evidence.html").exists()


def test_without_a_face_there_is_a_page_only_if_any_picture_is_judged(folder, write):
    draw().save("paper.png")
    assert write("paper.png").code == 1 and not (folder / "evidence.html").exists()
    assert write("paper.png", any_picture=True).code == 0
    text = read_text(folder / "evidence.html")
    assert "none found; the centre of the picture was judged" in text
    assert "No face was found in it" in text


def test_a_png_lies_beside_the_page_and_says_that_it_cannot_be_checked(folder, write):
    outcome = write(page="case 7.png")
    assert outcome.code == 0 and "case 7.html" in outcome.text
    content = read_content(folder / "case 7.html")
    image = load(folder / "case 7.png")
    assert image.height > 1000
    draw(*GROUP).save("group.png")
    write("group.png", page="group-evidence.png")
    assert load(folder / "group-evidence.png").height > image.height
    assert content["record"]["picture"]["name"] == "photo.jpg"


@pytest.mark.parametrize("page", ["photo.png", "notes.html", "notes.png"])
def test_no_other_file_is_overwritten(folder, write, page):
    draw(*GROUP).save("photo.png")
    for suffix in ("html", "png"):
        (folder / f"notes.{suffix}").write_text("of the holidays")
    before = (folder / page).read_bytes()
    outcome = write("photo.png", page)
    assert outcome.code == 2 and "exists and is not evidence" in outcome.text
    assert (folder / page).read_bytes() == before and not (folder / "photo.html").exists()


def test_evidence_is_written_again_over_older_evidence(folder, write):
    assert write(page="evidence.png").code == write(page="evidence.png").code == 0


@pytest.mark.parametrize(
    "options",
    [
        {"paths": ("photo.jpg", "photo.jpg")},
        {"paths": (".",)},
        {"paths": ("-",)},
        {"paths": ("*.jpg",)},
        {"paths": ("photo.jpg",), "keep": Path("k.jsonl")},
        {"paths": ("photo.jpg",), "explain": True},
        {"paths": ("photo.jpg",), "evidence": Path("evidence.pdf")},
        {"paths": ("photo.jpg",), "verify": Path("evidence.html")},
    ],
)
def test_what_is_not_about_one_picture_is_refused(options):
    with pytest.raises(ValueError, match="--evidence|--verify"):
        DetectionSettings(**{"evidence": Path("evidence.html"), "model": MODEL} | options)
