"""Files that somebody calls evidence are read within limits, and refused in a sentence."""

import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from detection.evidence.page import RECORD_END, RECORD_START
from detection.evidence.read import MAX_PAGE_BYTES
from detection.evidence.record import encode_canonical_json
from runtime import hashing
from toys.evidence import split_page


def with_record(**changes) -> bytes:
    """Return the page with values of its record changed; a name has dots between its parts."""
    shown, block = split_page(Path("evidence.html"))
    content = json.loads(block)
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = content["record"]
        for name in parents:
            target = target[name]
        target[last] = value
    return (shown + RECORD_START + json.dumps(content) + RECORD_END).encode()


def cut(share: float) -> bytes:
    data = Path("evidence.html").read_bytes()
    return data[: round(share * len(data))]


HOSTILE = {
    "nothing": (lambda: b"", 2, "is not a page of evidence"),
    "another page": (lambda: b"<html>hello</html>", 2, "is not a page of evidence"),
    "a picture": (lambda: Path("photo.jpg").read_bytes(), 2, "is not a page of evidence"),
    "its beginning": (lambda: cut(0.2), 2, "is not a page of evidence"),
    "cut off": (lambda: cut(0.999), 6, "is damaged"),
    "huge": (lambda: b"x" * (MAX_PAGE_BYTES + 1), 2, "larger than any page"),
    "no JSON": (lambda: (RECORD_START + "{]" + RECORD_END).encode(), 6, "is damaged"),
    "no object": (lambda: (RECORD_START + "3" + RECORD_END).encode(), 6, "is damaged"),
    "nested": (
        lambda: (RECORD_START + "[" * 500_000 + RECORD_END).encode(),
        6,
        "is damaged",
    ),
    "no UTF-8": (lambda: b"\xff" + Path("evidence.html").read_bytes(), 6, "is damaged"),
    "not a number": (lambda: with_record(answer__probability=float("nan")), 6, "is damaged"),
    "beyond 1": (lambda: with_record(answer__high=1.5), 6, "is damaged"),
    "a long number": (lambda: with_record(picture__width=10**3000), 6, "is damaged"),
    "another type": (lambda: with_record(answer__faces="three"), 6, "is damaged"),
    "another verdict": (lambda: with_record(answer__verdict="guilty"), 6, "is damaged"),
    "no base64": (lambda: with_record(picture__thumbnail="<svg/onload=1>"), 6, "is damaged"),
    "half a character": (lambda: with_record(picture__name="\ud800"), 6, "is damaged"),
    "no date": (lambda: with_record(created="yesterday"), 6, "is damaged"),
    "no prevalence": (lambda: with_record(options__prevalence=0.0), 6, "is damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_whole_page_is_refused_in_a_sentence(folder, write, verify, name):
    make, code, words = HOSTILE[name]
    write()
    (folder / "other.html").write_bytes(make())
    outcome = verify("other.html")
    assert outcome.code == code and words in outcome.text
    assert outcome.text.count(". ") <= 1


def test_a_thumbnail_that_is_a_bomb_or_no_picture_is_another_one(folder, write, verify):
    write()
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "JPEG", quality=1)
    for jpeg in (b"\xff\xd8\xff" + b"x" * 500, buffer.getvalue()):
        text = base64.b64encode(jpeg).decode()
        (folder / "other.html").write_bytes(with_record(picture__thumbnail=text))
        outcome = verify("other.html")
        assert outcome.code == 1 and outcome.checks["thumbnail"]["found"] == "another"


def test_a_page_or_picture_that_is_missing_is_told(write, verify):
    write()
    assert verify("missing.html").code == verify(picture="missing.jpg").code == 2
    assert "cannot be read" in verify(picture="missing.jpg").text


def test_the_png_of_evidence_is_told_from_its_page(write, verify):
    write(page="evidence.png")
    outcome = verify("evidence.png")
    assert outcome.code == 2 and "Ask for the .html page" in outcome.text


def test_a_newer_page_that_cannot_be_read_names_its_version(folder, write, verify):
    write()
    shown, block = split_page(Path("evidence.html"))
    content = json.loads(block)
    content["record"] |= {"layout": "1" * 64, "answer": "new", "versions": {"Telltale": "99.0"}}
    sha256 = hashing.hash_bytes(encode_canonical_json(content["record"]).encode())
    content["record_sha256"] = sha256
    page = shown + RECORD_START + json.dumps(content) + RECORD_END
    (folder / "newer.html").write_text(page, encoding="utf-8")
    outcome = verify("newer.html")
    assert outcome.code == 1 and "was written by Telltale 99.0" in outcome.text
