"""A gain is claimed only if seeds and images both show it."""

import numpy as np
import pytest
import scipy.stats

from training import gain_test

LABELS = np.arange(40) % 2
GROUPS = [f"group {number // 2}" for number in range(40)]


def compare(gains: list[float], noise: float = 0.01) -> gain_test.GainTest:
    """Compare a reference of loss 1 with one seed per gain; images differ by the noise."""
    random = np.random.default_rng(0)
    losses = [1 - gain + noise * random.normal(size=40) for gain in gains]
    return gain_test.compare_losses(np.ones(40), losses, LABELS, GROUPS)


def test_a_gain_in_every_seed_and_over_all_images_is_one():
    test = compare([0.30, 0.31, 0.29])
    assert test.is_gain and test.gain == pytest.approx(0.3, abs=0.01)
    assert 0.28 < test.lower < test.gain
    assert "mean loss changed by -0.29" in test.describe()


@pytest.mark.parametrize(
    ("gains", "noise", "reason"),
    [
        ([0.3, 0.31], 0.01, "two seeds are too few"),
        ([0.3], 0.01, "one seed shows no spread"),
        ([0.5, 0.0, 0.1], 0.01, "seeds differ more than the gain"),
        ([-0.3, -0.31, -0.29], 0.01, "the loss rose"),
        ([0.10, 0.11, 0.09], 1.0, "images differ more than the gain"),
    ],
)
def test_everything_else_is_none(gains, noise, reason):
    assert not compare(gains, noise).is_gain, reason


def test_images_of_one_group_count_as_one():
    """Twenty copies of one image, on which the detector was lucky, are one observation."""
    difference = np.where(np.arange(40) < 20, 0.5, 0.0)
    labels, copies = np.zeros(40, int), ["copies"] * 20 + [f"{n}" for n in range(20)]
    losses = [1 - difference + 0.001 * seed for seed in range(3)]
    alone = gain_test.compare_losses(np.ones(40), losses, labels, [str(n) for n in range(40)])
    assert alone.is_gain
    assert not gain_test.compare_losses(np.ones(40), losses, labels, copies).is_gain


def test_without_a_second_group_nothing_is_claimed():
    losses = [np.full(40, 0.1 + seed / 100) for seed in range(3)]
    test = gain_test.compare_losses(np.ones(40), losses, np.zeros(40, int), ["one"] * 40)
    assert test.lower == -np.inf and not test.is_gain


def test_the_p_value_is_that_of_a_new_observation():
    gains = np.array([0.2, 0.25, 0.4, 0.1])
    t = gains.mean() / (gains.std(ddof=1) * np.sqrt(1 + 1 / 4))
    assert gain_test.compute_seed_p(gains) == pytest.approx(scipy.stats.t.sf(t, 3))
    usual = scipy.stats.ttest_1samp(gains, 0, alternative="greater").pvalue
    assert gain_test.compute_seed_p(gains) > usual
    assert gain_test.compute_seed_p(np.full(3, 0.2)) < 1e-9
