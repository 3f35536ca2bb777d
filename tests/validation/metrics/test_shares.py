"""Shares have an exact interval for any number of groups, as wide as these make it."""

import numpy as np
import pytest

from validation.metrics.shares import compute_exact_interval, compute_share_interval


def test_every_image_counts_if_it_is_its_own_group():
    counted = np.arange(50) < 3
    assert compute_share_interval(counted, np.arange(50), 0.95) == compute_exact_interval(
        0.06, 50, 0.95
    )


def test_clopper_and_pearsons_limits_solve_their_equations():
    from scipy.stats import binom

    low, high = compute_exact_interval(0.3, 20, 0.95)
    assert binom.sf(5, 20, low) == pytest.approx(0.025)
    assert binom.cdf(6, 20, high) == pytest.approx(0.025)


@pytest.mark.parametrize("share", [0, 1])
def test_without_any_exception_a_group_counts_as_one_image(share):
    groups = np.repeat(np.arange(12), 10)
    interval = compute_share_interval(np.full(120, share), groups, 0.95)
    assert interval == pytest.approx(compute_exact_interval(share, 12, 0.95))


def test_one_group_says_almost_nothing():
    low, high = compute_share_interval(np.arange(30) < 15, np.zeros(30, int), 0.95)
    assert low < 0.02 and high > 0.98


def test_groups_that_agree_widen_and_groups_that_do_not_hardly_do():
    groups = np.repeat(np.arange(40), 10)
    agreeing, mixed = np.arange(400) < 200, np.arange(400) % 2 == 0
    widths = [
        high - low
        for low, high in (
            compute_share_interval(agreeing, groups, 0.95),
            compute_exact_interval(0.5, 40, 0.95),
            compute_share_interval(mixed, groups, 0.95),
            compute_exact_interval(0.5, 400, 0.95),
        )
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)
    assert widths[3] <= widths[2] < 1.3 * widths[3]


def test_one_large_group_counts_for_less_than_its_images():
    groups = np.r_[np.zeros(80, int), np.arange(1, 21)]
    low, high = compute_share_interval(np.zeros(100, bool), groups, 0.95)
    assert low == 0 and high > compute_exact_interval(0, 3, 0.95)[1]
