"""Tables fit 80 columns, with words, names and intervals whole."""

import io
import re

import pytest
import rich.console

from runtime.terminal import tables

WIDTH = 80
INTERVALS = ["0.933 (0.838 to 0.982)", "1.000 (no interval: 6 groups of photographs, 20 needed)"]

TABLES = {
    "validation": (
        ["metric, 95% interval", "sample-20261128-160303", "logistic regression, top layer"]
        + ["logistic regression, all taps"],
        [["generated images called generated", *[interval] * 3] for interval in INTERVALS],
    ),
    "sources left out": (
        ["left out", "images", "AUC", "called generated, 5% cut", "called generated, 1% cut"]
        + ["AUC of known sources"],
        [["sd-turbo (generator)", "120 in 120 groups", *["0.81 (0.70 to 0.89)"] * 4]],
    ),
    "cross-generator": (
        ["never seen", "tested on", "AUC", "recall", "false: kaggle", "false: ffhq"],
        [["without sd-turbo", "sd-turbo", *["0.81 (0.70 to 0.89)"] * 3, "0.05 (0.00 to 0.10) *"]],
    ),
    "confident errors": (
        ["never seen", "tested on", "confident errors", "in distribution", "out of distribution"],
        [["sd-turbo and stable-diffusion-xl", "sd-turbo", *["0.31 (0.20 to 0.40)"] * 3]],
    ),
}


def render(headings: list[str], rows: list[list[str]]) -> str:
    out = io.StringIO()
    console = rich.console.Console(width=WIDTH, file=out)
    console.print(tables.build_table("A title", headings, rows, WIDTH))
    return out.getvalue()


@pytest.mark.parametrize("headings, rows", TABLES.values(), ids=TABLES)
def test_a_table_with_intervals_fits_with_every_word_whole(headings, rows):
    printed = render(headings, rows)
    assert max(map(len, printed.splitlines())) <= WIDTH
    words = re.findall(r"[\w.%-]+", " ".join(headings + [cell for row in rows for cell in row]))
    printed_words = re.findall(r"[\w.%-]+", printed)
    assert {word for word in words if word not in printed_words} <= {"to"}


@pytest.mark.parametrize("headings, rows", TABLES.values(), ids=TABLES)
def test_an_interval_is_not_broken_over_lines(headings, rows):
    printed = render(headings, rows)
    expected = sum(bool(re.search(r"\(\S+ to \S+\)", cell)) for row in rows for cell in row)
    assert len(re.findall(r"\(\S+(?: to |\N{EN DASH})\S+\)", printed)) == expected


def test_a_table_that_fits_keeps_its_intervals_beside_the_values():
    assert INTERVALS[0] in render(["metric", "faces"], [["ROC AUC", INTERVALS[0]]])
