"""The three sentences at the top of a report."""

from collections.abc import Sequence

import numpy as np

from data_collection.audit.audit import SizeAudit
from data_collection.audit.probes import NUISANCE_TIER
from runtime.terminal.counting import format_count
from training.cuts.verdicts import ABSTAIN, GENERATED, REAL, VERDICTS
from validation.data.evaluation_set import EvaluationSet
from validation.metrics.abstention import AbstentionStatistics
from validation.metrics.baseline_comparison import BaselineComparison
from validation.metrics.comparison import DetectorResult
from validation.metrics.estimates import Estimate
from validation.metrics.scored_images import ScoredImages
from validation.report.first_screen import (
    MIN_SUMMARY_GROUPS_PER_CLASS,
    count_groups_of_smaller_class,
)
from validation.report.limits import is_useless
from validation.robustness.robustness import DistortionResult
from validation.robustness.summary import RobustnessSummary

ONE_SOURCE_WARNING = (
    "Each class comes from one source here, so nobody can say whether it knows a generator or only "
    "a source."
)


def summarise_validation(
    data: EvaluationSet,
    result: DetectorResult,
    comparisons: Sequence[BaselineComparison],
    abstentions: Sequence[AbstentionStatistics],
    audit: SizeAudit | None,
    robustness: RobustnessSummary | None,
) -> list[str]:
    """Return three sentences: performance, comparison with baselines, weakest condition."""
    return [
        _describe_performance(data, result, abstentions[-1]),
        _describe_comparison(data, result, comparisons, audit),
        _describe_weakness(robustness),
    ]


def format_percent_interval(value: Estimate) -> str:
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"


def _describe_performance(
    data: EvaluationSet, result: DetectorResult, abstention: AbstentionStatistics
) -> str:
    scored, estimates = result.scored, result.estimates
    rates = []
    for label, noun, images in (
        (1, "generated face", "generated images"),
        (0, "photograph", "photographs"),
    ):
        n_images = int(np.sum(scored.labels == label))
        if n_images:
            generated, real = (
                format_percent_interval(estimates[f"{images} {VERDICTS[answer].predicate}"])
                for answer in (GENERATED, REAL)
            )
            rates.append(
                f"calls {generated} of {format_count(n_images, noun)} generated and {real} real"
            )
    origin = "which it was not trained on" if data.overlap else "which it may have been trained on"
    return (
        f"On {data.name}, {origin}, {result.name} {', and '.join(rates)} (in brackets 95% "
        f"intervals); it answers “{ABSTAIN}” on {abstention.abstained:,} of {abstention.images:,} "
        f"images.{_describe_few_groups(scored)}"
    )


def _describe_few_groups(scored: ScoredImages) -> str:
    groups = count_groups_of_smaller_class(scored)
    if groups >= MIN_SUMMARY_GROUPS_PER_CLASS:
        return ""
    return (
        f" That is too little to say much: {format_count(groups, 'independent image')} in a class."
    )


_OUTCOME_WORDS = {
    "better": "clearly better than",
    "unclear": "not clearly different from",
    "worse": "clearly worse than",
}


def _describe_comparison(
    data: EvaluationSet,
    result: DetectorResult,
    comparisons: Sequence[BaselineComparison],
    audit: SizeAudit | None,
) -> str:
    auc = result.estimates["ROC AUC"]
    if np.isnan(auc.value):
        return "Only one class is present, so nothing is known of how well it tells the two apart."
    if np.ptp(result.scored.probabilities) == 0:
        return (
            "It gives every image the same probability: it tells nothing apart, and all its "
            "figures are at chance level."
        )
    clauses = [str(auc)]
    for outcome, words in _OUTCOME_WORDS.items():
        names = [
            f"“{each.name}” ({each.auc:.3f})" for each in comparisons if each.outcome == outcome
        ]
        if names:
            clauses.append(f"{words} {' and '.join(names)}")
    sentences = [
        f"Its ROC AUC is {', '.join(clauses)}.",
        _describe_audit_probe(audit),
        ONE_SOURCE_WARNING if data.one_source_per_class else "",
    ]
    return " ".join(filter(None, sentences))


def _describe_audit_probe(audit: SizeAudit | None) -> str:
    """Describe the best audit probe of history, processing or a nuisance; none sees the face."""
    probes = [probe for probe in audit.as_trained if probe.tier <= NUISANCE_TIER] if audit else []
    if not probes:
        return ""
    best = max(probes, key=lambda probe: probe.auc)
    return (
        f"Without a look at the face, {best.name} alone reaches {best.auc:.3f} on the training "
        "images."
    )


def _describe_weakness(robustness: RobustnessSummary | None) -> str:
    warning = "A generator, a camera or an edit that it has not seen may pass unnoticed."
    if not robustness or not robustness.conditions or is_useless(robustness.undistorted):
        return warning
    worst, undistorted = (
        min(robustness.conditions, key=_compute_mean_accuracy),
        robustness.undistorted,
    )
    changes = [
        f"{verb} {distorted.value:.0%} of {noun} instead of {before.value:.0%}"
        for verb, noun, distorted, before in (
            ("finds", "generated faces", worst.found, undistorted.found),
            ("calls", "photographs generated", worst.false_alarms, undistorted.false_alarms),
        )
        if np.isfinite(distorted.value) and f"{distorted.value:.0%}" != f"{before.value:.0%}"
    ]
    if not changes:
        return (
            f"None of {len(robustness.conditions)} distortions lowers what it finds or raises its "
            f"false alarms. {warning}"
        )
    return (
        f"Under {worst.name}, the worst of {len(robustness.conditions)} distortions, it "
        f"{' and '.join(changes)}. {warning}"
    )


def _compute_mean_accuracy(condition: DistortionResult) -> float:
    """Return the mean of both classes' shares that are not called the other class's name."""
    return float(np.nanmean([condition.found.value, 1 - condition.false_alarms.value]))
