"""Novelty is a conformal p-value over groups: uniform for what is known, small for what is not."""

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.studies.novelty import METHODS
from training.features.layout import Column
from training.refits.refit_heads import RefitImages

KNOWN, WIDTH = 80, 12


def make_images(groups: Sequence[int], shift: float) -> RefitImages:
    """Return known photographs of these groups, and as many more at a distance."""
    draws = np.random.default_rng(0).normal(size=(2 * KNOWN, 1, WIDTH)).astype(np.float32)
    draws[KNOWN:] += shift
    return RefitImages(
        columns=[Column(32, "top", "mean", 0, WIDTH)],
        values=draws,
        judged=draws,
        labels=np.zeros(2 * KNOWN, int),
        sources=np.array(["known"] * KNOWN + ["others"] * KNOWN),
        groups=np.array([f"group {number}" for number in (*groups, *range(500, 500 + KNOWN))]),
    )


@pytest.mark.parametrize("method", METHODS[:2], ids=lambda method: method.distance)
def test_what_is_far_away_has_the_smallest_p_value_and_what_is_alike_any(method):
    known, others = np.arange(KNOWN), np.arange(KNOWN, 2 * KNOWN)
    alike = method.compute_p_values(make_images(range(KNOWN), 0), known, others)
    assert 0.3 < alike.mean() < 0.7 and np.mean(alike < 0.05) < 0.15
    far = method.compute_p_values(make_images(range(KNOWN), 9), known, others)
    assert far == pytest.approx(1 / (KNOWN + 1))


@pytest.mark.parametrize("method", METHODS[:2], ids=lambda method: method.distance)
def test_the_images_of_a_group_count_once(method):
    known, others = np.arange(KNOWN), np.arange(KNOWN, 2 * KNOWN)
    groups = np.arange(KNOWN) // 8
    far = method.compute_p_values(make_images(groups, 9), known, others)
    assert far == pytest.approx(1 / (KNOWN / 8 + 1))
