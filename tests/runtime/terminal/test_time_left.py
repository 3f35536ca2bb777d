"""The time left is told from the parts that are done, and not too often."""

import itertools

import pytest

from runtime import console
from runtime.terminal import time_left
from runtime.terminal.time_left import TimeLeft, format_duration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_part_gives_the_time_of_the_others_and_five_minutes_pass_until_the_next():
    clock = Clock()
    left = TimeLeft(12, clock)
    assert left.describe(0) == ""
    clock.now += 30
    assert left.describe(1) == "About 6 minutes left (1 of 12 done)."
    clock.now += 30
    assert left.describe(2) == ""
    clock.now += 300
    assert left.describe(6) == "About 6 minutes left (6 of 12 done)."


@pytest.mark.parametrize(("seconds", "n_done"), [(2, 1), (30, 11), (60, 12)])
def test_a_short_time_and_a_hasty_estimate_are_not_told(seconds, n_done):
    clock = Clock()
    left = TimeLeft(12, clock)
    clock.now += seconds
    assert left.describe(n_done) == ""


def test_a_slow_start_of_many_short_parts_is_no_estimate_and_a_slow_part_is():
    clock = Clock()
    left = TimeLeft(1000, clock)
    clock.now += 7
    assert left.describe(1) == ""
    clock.now += 30
    assert left.describe(1) == "About 10 hours left (1 of 1,000 done)."


@pytest.mark.parametrize(
    ("seconds", "words"), [(60, "1 minute"), (1200, "20 minutes"), (4 * 3600, "4 hours")]
)
def test_a_duration_is_rough(seconds, words):
    assert format_duration(seconds) == words


def test_a_bar_that_nobody_sees_is_replaced_by_lines(monkeypatch, capsys):
    monkeypatch.setattr(time_left.time, "monotonic", itertools.count(0, 60).__next__)
    monkeypatch.setattr(TimeLeft.__init__, "__defaults__", (time_left.time.monotonic,))
    assert list(console.track_progress(iter("abcd"), "pictures", 4)) == list("abcd")
    assert "pictures: About 3 minutes left (1 of 4 done)." in capsys.readouterr().err
