"""Cells that strangers wrote are calculated by no spreadsheet and steer no terminal."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from detection.detections import Detection
from detection.output.csv_rows import build_csv_row
from detection.predictor import Detector
from detection.provenance.claims import Claim
from toys.commands import build_environment
from toys.images import encode_image, make_image


def split_by_every_separator(cell: str) -> list[str]:
    """Split a cell as a spreadsheet does that separates at semicolons, tabs or lines."""
    for separator in "\t\r\n":
        cell = cell.replace(separator, ";")
    return [part.strip(" \0") for part in cell.split(";")]


@pytest.mark.parametrize(
    "text",
    [
        "=1.png",
        "+1",
        "-1",
        "@SUM(1)",
        "\t=1.png",
        "\r=1.png",
        "\n=1.png",
        " =1.png",
        "\uff1d1.png",
        "\uff0b1.png",
        "a;=cmd()!A0.png",
        "a; \uff1dcmd()!A0.png",
        "a\t=cmd()!A0.png",
        "a\n=cmd()!A0.png",
    ],
)
def test_no_name_claim_or_reason_is_a_formula(workplace, text):
    statement = Detector.load(workplace / "saved_models" / "toy").statement
    row = build_csv_row(
        Detection(path=Path(text), error=text, claims=(Claim("software", f"prompt {text}"),) * 2),
        statement,
    )
    for name in ("path", "error", "claims"):
        for part in split_by_every_separator(row[name]):
            assert part[:1] not in tuple("=+-@\uff1d\uff0b\uff0d\uff20"), (name, row[name])


@pytest.mark.parametrize("name", ["-", "a b.png", "päivi 😀.png", "a;b.png", "a=b.png", "x-1.png"])
def test_an_ordinary_name_stays_as_it_is(workplace, name):
    statement = Detector.load(workplace / "saved_models" / "toy").statement
    assert build_csv_row(Detection(path=Path(name), error="x"), statement)["path"] == name


def test_on_a_terminal_no_escape_of_a_file_name_comes_through(workplace, tmp_path):
    path = tmp_path / "a\x1b]0;owned\x07\x1b[31m.png"
    path.write_bytes(encode_image(make_image(1)))
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "detection", "--model", "toy", "--any-picture", "--csv", path]
    process = subprocess.Popen(
        words, cwd=workplace, env=build_environment(), stdout=slave, stderr=subprocess.DEVNULL
    )
    os.close(slave)
    printed = io.BytesIO()
    try:
        while part := os.read(master, 4096):
            printed.write(part)
    except OSError:
        pass  # the end of a terminal
    assert process.wait() == 0
    assert b".png" in printed.getvalue() and b"\x1b" not in printed.getvalue()
