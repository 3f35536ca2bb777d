"""A cut keeps its promise for new groups, and says when there are too few groups for it."""

import numpy as np
import pytest

from training.calibration import convert_to_logits
from training.cuts.cut import choose_cut, count_needed_groups


def simulate_shares(n_groups: int, group_size: int, target: float, runs: int = 400) -> np.ndarray:
    """Return the share of new images above the cut, over data sets of correlated groups."""
    random = np.random.default_rng(0)

    def draw(n: int) -> np.ndarray:
        centre = random.normal(size=(n, 1)) * np.sqrt(0.5)
        return (centre + random.normal(size=(n, group_size)) * np.sqrt(0.5)).ravel()

    new = np.sort(draw(20_000 // group_size))
    shares = []
    for _ in range(runs):
        groups = np.repeat(np.arange(n_groups), group_size).astype(str)
        cut = choose_cut(draw(n_groups), groups, target)
        limit = convert_to_logits(np.array([cut.limit]))[0]
        shares.append(1 - np.searchsorted(new, limit) / len(new))
    return np.array(shares)


@pytest.mark.parametrize("n_groups, group_size", [(19, 1), (20, 1), (36, 1), (36, 4), (105, 3)])
def test_on_average_no_more_than_the_target_lies_above(n_groups, group_size):
    shares = simulate_shares(n_groups, group_size, 0.05)
    assert shares.mean() <= 0.05 + 3 * shares.std() / np.sqrt(len(shares))
    assert shares.mean() > 0.01  # a cut that nothing crosses promises nothing


def test_the_share_to_expect_is_a_beta_variable():
    shares = simulate_shares(36, 1, 0.05, runs=1000)
    cut = choose_cut(np.arange(36.0), np.arange(36).astype(str), 0.05)
    assert cut.expected == pytest.approx(1 / 37) == pytest.approx(shares.mean(), abs=0.004)
    assert np.quantile(shares, [0.05, 0.95]) == pytest.approx([cut.low, cut.high], abs=0.02)
    assert cut.describe_share() == (
        "on average 2.7% (at most 5%), nine times in ten between 0.1% and 8%"
    )


def test_too_few_groups_have_no_cut_and_say_how_many_are_needed():
    logits, groups = np.arange(72.0), np.repeat(np.arange(36), 2).astype(str)
    cut = choose_cut(logits, groups, 0.01)
    assert cut.limit is None
    assert cut.describe_missing("photographs") == (
        "no cut at 1%: 99 groups of photographs needed, 36 found"
    )
    assert [count_needed_groups(share) for share in (0.05, 0.01, 0.005)] == [19, 99, 199]
    assert choose_cut(np.arange(18.0), np.arange(18).astype(str), 0.05).limit is None
    assert choose_cut(np.arange(19.0), np.arange(19).astype(str), 0.05).limit is not None
    assert choose_cut(np.empty(0), np.empty(0, str), 0.05).limit is None


def test_a_large_group_counts_no_more_than_a_small_one():
    # one person with fifty high scores among forty with one image each
    logits = np.concatenate([np.full(50, 3.0), np.linspace(-2, 0, 40)])
    groups = np.concatenate([np.full(50, "one"), np.arange(40).astype(str)])
    limit = convert_to_logits(np.array([choose_cut(logits, groups, 0.05).limit]))[0]
    assert limit == pytest.approx(0.0, abs=0.01)  # the group of fifty alone may lie above


def test_equal_scores_lie_below_their_cut():
    cut = choose_cut(np.zeros(40), np.arange(40).astype(str), 0.05)
    assert 0.5 < cut.limit < 0.501
