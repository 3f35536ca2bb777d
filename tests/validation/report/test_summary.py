"""The first sentences of a report say no more than the figures do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_collection.audit.audit import SizeAudit
from data_collection.audit.probes import ProbeResult
from data_collection.dataset.manifest import FaceRecord
from training.cuts.cut import Cut
from training.cuts.operating_point import OperatingPoint
from validation.data.evaluation_set import EvaluationSet, TrainingOverlap
from validation.metrics.abstention import compute_abstention_statistics
from validation.metrics.baseline_comparison import compare_with_baselines
from validation.metrics.comparison import DetectorResult
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.metrics import FALSE_ALARMS, FOUND
from validation.metrics.scored_images import ScoredImages
from validation.report import summary
from validation.report.limits import list_limits
from validation.robustness.distortions import DISTORTIONS
from validation.robustness.robustness import DistortionResult, compute_distortion_results
from validation.robustness.summary import RobustnessSummary

KNOWN = TrainingOverlap(compared=100, files=[], groups=[], near_duplicates=[])


POINT = OperatingPoint(
    false_alarm_cut=Cut(target=0.05, limit=0.6), miss_cut=Cut(target=0.05, limit=0.4)
)


def make_result(
    name: str, gap: float, n: int = 200, real: bool = True, generated: bool = True
) -> DetectorResult:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    scores = 1 / (1 + np.exp(-(rng.normal(size=n) + gap * (labels - 0.5))))
    scored = ScoredImages(scores, labels, np.arange(n), 0.5, POINT).select(
        (labels == 1) & generated | (labels == 0) & real
    )
    return DetectorResult(name, scored, estimate_metrics(scored, replicates=100))


def data(overlap: TrainingOverlap | None = KNOWN, sources: int = 2) -> EvaluationSet:
    records = [
        FaceRecord(id="", label=label, source=str(number), file="", status="")
        for label in ("real", "generated")
        for number in range(sources)
    ]
    return EvaluationSet(name="the hold-out", folder=Path("."), records=records, overlap=overlap)


def summarise(
    results: list[DetectorResult],
    audit: SizeAudit | None = None,
    robustness: RobustnessSummary | None = None,
    **more,
) -> list[str]:
    scored = results[0].scored
    abstentions = compute_abstention_statistics(scored)
    comparisons = compare_with_baselines(results)
    return summary.summarise_validation(
        data(**more), results[0], comparisons, abstentions, audit, robustness
    )


def make_robustness(result: DetectorResult) -> RobustnessSummary:
    """One distortion that lowers the probability of every generated image by 0.6."""
    scored = result.scored
    weaker = np.clip(scored.probabilities - 0.6 * (scored.labels == 1), 0, 1)
    conditions: list[DistortionResult] = compute_distortion_results(
        {"none": scored.probabilities[:, None], DISTORTIONS[0].name: weaker[:, None]},
        scored,
        DISTORTIONS[:1],
        replicates=50,
    )
    return RobustnessSummary(
        images=len(scored.labels),
        undistorted=conditions[0],
        conditions=conditions[1:],
        most_biased=None,
        curves=None,
    )


def test_three_sentences_with_the_figures_and_what_has_to_be_beaten():
    result, baseline = make_result("faces", 4), make_result("logistic regression", 2)
    probe = ProbeResult(
        name="thumbnail", tier=3, auc=0.91, low=0.8, high=0.95, best_single="", status="WARN"
    )
    detail = ProbeResult(
        name="spectrum", tier=4, auc=0.99, low=0.9, high=1, best_single="", status="reported"
    )
    audit = SizeAudit(
        size=224,
        status="GREEN",
        sentence="",
        as_trained=[probe, detail],
        placebo=[],
        confirmations=[],
    )
    first, second, third = summarise([result, baseline], audit, make_robustness(result))
    estimates = result.estimates
    assert f"calls {estimates[FOUND].value:.1%} (" in first
    assert (
        f"of 100 photographs generated and {estimates['photographs called real'].value:.1%} ("
        in first
    )
    assert "of 100 generated faces" in first and "too little" not in first
    assert "which it was not trained on" in first
    assert (
        f"clearly better than “logistic regression” ({baseline.estimates['ROC AUC'].value:.3f})"
        in second
    )
    assert (
        "thumbnail alone reaches 0.910" in second and "spectrum" not in second
    )  # tier 4 may be a trace; it need not be beaten
    assert (
        third.startswith("Under JPEG 100, the worst of 1 distortions")
        and "may pass unnoticed" in third
    )
    probabilities = result.scored.probabilities
    abstained = np.sum((probabilities >= 0.4) & (probabilities < 0.6))
    assert f"it answers “can't tell” on {abstained} of 200 images" in first
    assert "one source" not in second


def test_a_baseline_that_is_not_clearly_beaten_is_said_to_be():
    _, second, _ = summarise([make_result("faces", 4), make_result("baseline", 4.1)])
    assert "not clearly different from “baseline”" in second


def test_one_source_for_each_class_is_said_in_the_summary():
    assert (
        "nobody can say whether it knows a generator or only a source"
        in summarise([make_result("faces", 4)], sources=1)[1]
    )


def test_the_worst_distortion_may_be_the_one_that_calls_everything_generated():
    result = make_result("faces", 4)
    robustness = make_robustness(result)
    noise = replace(
        robustness.conditions[0],
        family="noise",
        value="20",
        found=robustness.undistorted.found,
        false_alarms=Estimate(1, 1, 1),
    )
    robustness = replace(robustness, conditions=[*robustness.conditions, noise])
    third = summarise([result], None, robustness)[2]
    assert (
        third.startswith("Under noise 20")
        and "calls 100% of photographs generated instead of" in third
    )
    assert "finds" not in third  # what did not change is not told


def test_distortions_that_change_nothing_are_one_sentence():
    result = make_result("faces", 4)
    robustness = make_robustness(result)
    same = replace(robustness.undistorted, family="JPEG", value="95")
    third = summarise([result], None, replace(robustness, conditions=[same]))[2]
    assert third.startswith("None of 1 distortions lowers what it finds or raises its false alarms")


def test_a_useless_detector_has_no_worst_distortion():
    assert (
        "Under"
        not in summarise(
            [make_result("faces", -8)], None, make_robustness(make_result("faces", -8))
        )[2]
    )


def test_few_images_and_unknown_training_are_said_in_the_first_sentence():
    first, *_ = summarise([make_result("faces", 4, 20)], overlap=None)
    assert (
        "which it may have been trained on" in first
        and "too little to say much: 10 independent images" in first
    )


def test_one_class_gives_no_claim_about_telling_apart():
    first, second, _ = summarise([make_result("faces", 4, generated=False)])
    assert "generated face" not in first and "of 100 photographs generated" in first
    assert second.startswith("Only one class is present")


def test_a_detector_that_says_the_same_of_all_tells_nothing():
    scored = ScoredImages(np.full(80, 0.4), np.arange(80) % 2, np.arange(80), 0.5)
    result = DetectorResult("faces", scored, estimate_metrics(scored, replicates=20))
    _, second, _ = summarise([result])
    assert "the same probability" in second and "at chance level" in second


def test_limits_name_the_sources_the_lost_distortions_and_what_an_alarm_is_worth():
    result = make_result("faces", 4)
    records = [
        FaceRecord(id="", label="real", source="kaggle", file="", status=""),
        FaceRecord(id="", label="generated", source="sd-1.5", file="", status=""),
    ]
    limits = " ".join(list_limits(records, result, make_robustness(result)))
    assert "real: kaggle; generated: sd-1.5" in limits and "Under JPEG 100 it misses" in limits
    found, max_alarms = result.estimates[FOUND].value, result.estimates[FALSE_ALARMS].high
    precision = found * 0.01 / (found * 0.01 + max_alarms * 0.99)
    assert f"{100 * precision:.0f} where 1 in 100 pictures are generated" in limits


@pytest.mark.parametrize("gap", [0, 8])
def test_limits_of_any_detector_can_be_listed(gap):
    assert len(list_limits([], make_result("faces", gap), None)) >= 5
