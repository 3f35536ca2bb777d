"""The four figures and the state at the top of a report."""

import dataclasses

import numpy as np
import pytest

from training.cuts.cut import Cut
from training.cuts.operating_point import OperatingPoint
from validation.metrics.abstention import compute_abstention_statistics
from validation.metrics.baseline_comparison import compare_with_baselines
from validation.metrics.comparison import DetectorResult
from validation.metrics.estimates import estimate_metrics
from validation.metrics.scored_images import ScoredImages
from validation.report.first_screen import build_tiles, choose_state

POINT = OperatingPoint(
    false_alarm_cut=Cut(target=0.05, limit=0.6), miss_cut=Cut(target=0.05, limit=0.4)
)


def make_result(gap: float, n: int = 200, seed: int = 0, labels: tuple[int, ...] = (0, 1)):
    """Return a detector whose scores of the two classes lie `gap` standard deviations apart."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    scores = 1 / (1 + np.exp(-(rng.normal(size=n) + gap * (truth - 0.5))))
    scored = ScoredImages(scores, truth, np.arange(n), 0.5, POINT).select(np.isin(truth, labels))
    return DetectorResult(f"gap {gap}", scored, estimate_metrics(scored, replicates=100))


def test_the_tiles_are_the_figures_of_the_report():
    result = make_result(4)
    abstention = compute_abstention_statistics(result.scored)[-1]
    auc, found, false_alarms, unanswered = build_tiles(result, abstention)
    assert auc.value == f"{result.estimates['ROC AUC'].value:.3f}" and " to " in auc.interval
    assert found.value == f"{result.estimates['generated images called generated'].value:.1%}"
    alarms = result.estimates["photographs called generated"]
    assert false_alarms.interval == f"{alarms.low:.1%} to {alarms.high:.1%}"
    assert unanswered.interval == f"{abstention.abstained} of 200"


def test_a_class_that_is_missing_has_no_figures():
    result = make_result(4, labels=(0,))
    tiles = build_tiles(result, compute_abstention_statistics(result.scored)[-1])
    assert [tile.value for tile in tiles[:2]] == ["n/a", "n/a"]
    assert tiles[2].value != "n/a"


@pytest.mark.parametrize(
    ("banner", "results", "words", "tone"),
    [
        ("Practice.", [make_result(4), make_result(1)], "red", "bad"),
        ("", [make_result(4, labels=(0,)), make_result(1, labels=(0,))], "one class", "unknown"),
        ("", [make_result(4, n=40), make_result(1, n=40)], "too few", "unknown"),
        ("", [make_result(0), make_result(0, seed=1)], "weak", "bad"),
        ("", [make_result(4)], "no baseline", "unknown"),
        ("", [make_result(4), make_result(4, seed=1)], "not better than its baselines", "doubt"),
        ("", [make_result(4), make_result(1)], "beats its baselines", "good"),
    ],
)
def test_the_state_is_a_word_with_a_reason(banner, results, words, tone):
    state = choose_state(banner, results[0], compare_with_baselines(results))
    assert (state.words, state.tone) == (words, tone) and state.reason.endswith(".")


def test_a_weak_detector_is_told_its_own_weakness_alone():
    cautious, rash = make_result(0), make_result(0)
    for result, shift in ((cautious, -0.6), (rash, 0.6)):
        moved = np.clip(result.scored.probabilities + shift, 0, 1)
        scored = dataclasses.replace(result.scored, probabilities=moved)
        estimates = estimate_metrics(scored, replicates=100)
        reason = choose_state("", DetectorResult("moved", scored, estimates), []).reason
        assert ("finds fewer" in reason, "calls more" in reason) == (shift < 0, shift > 0)


def test_a_detector_that_is_worse_than_a_baseline_is_told_so():
    strong, weak = make_result(4), dataclasses.replace(make_result(1), name="weak")
    assert [each.outcome for each in compare_with_baselines([weak, strong])] == ["worse"]
    assert [each.outcome for each in compare_with_baselines([strong, weak])] == ["better"]
    assert [each.outcome for each in compare_with_baselines([strong, strong])] == ["unclear"]
