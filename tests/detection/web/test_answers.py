"""Sentences of the page about an image."""

from pathlib import Path

import pytest

from detection.detections import Detection
from detection.web.answers import describe_probability


@pytest.mark.parametrize(
    ("low", "high", "spread"),
    [
        (0.62, 0.84, " (62% to 84% by JPEG quality)"),
        (0.744, 0.746, " (74% to 75% by JPEG quality)"),
        (0.741, 0.744, ""),
    ],
)
def test_the_spread_is_told_where_it_can_be_seen(low, high, spread):
    detection = Detection(
        path=Path("a.png"), verdict="can't tell", probability=0.742, low=low, high=high
    )
    assert describe_probability(detection) == (
        f"The probability of “generated” is 74%, if half of all images were{spread}. "
        "That is not enough for an answer."
    )
