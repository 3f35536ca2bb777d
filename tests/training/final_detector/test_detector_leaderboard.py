"""The leaderboard says first who is ahead, and keeps controls apart, in 80 columns."""

import re

import numpy as np
import pytest

from runtime import console
from toys.face_records import write_toy_record
from training.baselines.linear import Baseline
from training.final_detector import detector_leaderboard

N_IMAGES = 60
LABELS = np.arange(N_IMAGES) % 2


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    return [
        write_toy_record(folder, number, ("real", "generated")[label], "validation")
        for number, label in enumerate(LABELS)
    ]


def make_logits(skill: float) -> np.ndarray:
    """Return logits that are right the more, the greater the skill."""
    noise = np.random.default_rng(int(10 * skill)).normal(size=N_IMAGES)
    return skill * (2 * LABELS - 1) + noise


def make_baseline(name: str, skill: float, uses_pixels: bool = True) -> Baseline:
    return Baseline(
        name=name,
        logits=make_logits(skill)[:, None],
        weights=np.zeros(1) if uses_pixels else None,
    )


def print_leaderboard(records, skill: float, capsys, monkeypatch) -> tuple[str, str]:
    """Return what is printed on standard output and on standard error."""
    monkeypatch.setattr(console.out, "width", 80)
    baselines = [
        make_baseline("logistic regression, all taps", 2.0),
        make_baseline("logistic regression, top layer", 0.5),
        make_baseline("file metadata only", 9.0, uses_pixels=False),
    ]
    logits = make_logits(skill)
    detector_leaderboard.print_detector_leaderboard(
        logits, [logits, make_logits(0.7)], baselines, records
    )
    printed = capsys.readouterr()
    return printed.out, " ".join(printed.err.split())


@pytest.mark.parametrize(
    ("skill", "words"), [(3.5, "is ahead of"), (2.1, "is level with"), (0.2, "is behind")]
)
def test_it_says_first_who_is_ahead_of_the_best_baseline_that_sees_pixels(
    skill, words, records, capsys, monkeypatch
):
    _, said = print_leaderboard(records, skill, capsys, monkeypatch)
    assert said.startswith(f"Your detector {words} “logistic regression, all taps”")
    assert "95% interval" in said and "metadata" not in said


def test_controls_have_a_table_of_their_own_and_no_number_is_broken(records, capsys, monkeypatch):
    table, _ = print_leaderboard(records, 1.0, capsys, monkeypatch)
    assert not [line for line in table.splitlines() if len(line) > 80]
    rivals, controls = table.split("Controls see the file or nothing")
    # an interval stands below its value, in the same line as the rest of a long name
    names = " ".join(re.sub(r"\([+-][\d. to+-]+\)", "", rivals).split())
    assert "baseline: logistic regression, all taps" in names
    assert "baseline: logistic regression, top layer" in names
    assert "metadata" not in rivals
    assert "file metadata only" in controls and "logistic" not in controls
    names = ("your detector, 2 heads", "head 1", "head 2")
    places = [rivals.index(name) for name in names]
    assert places == sorted(places)
    intervals = re.findall(r"\([+-]\d\.\d{4} to [+-]\d\.\d{4}\)", table)
    assert len(intervals) == 5, table
