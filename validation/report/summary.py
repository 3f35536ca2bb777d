"""The three sentences that a report begins with, and what the detector should not be used for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data_collection.audit.audit import Audit
from data_collection.dataset.manifest import FaceRecord
from validation.data.evaluation_set import EvaluationSet
from validation.metrics.abstention import AbstentionStatistics
from validation.metrics.comparison import estimate_paired_differences
from validation.metrics.estimates import Estimate

if TYPE_CHECKING:
    from validation.metrics.comparison import DetectorResult
    from validation.robustness.robustness import DistortionResult
    from validation.robustness.summary import RobustnessSummary

MIN_SUMMARY_GROUPS_PER_CLASS = 30
"""Groups of a class under which the first sentence says that they are too few."""

SUMMARY_PREVALENCES = (0.01, 0.1)


def summarise_validation(
    data: EvaluationSet,
    verdicts: "Sequence[DetectorResult]",
    doubts: Sequence[AbstentionStatistics],
    audit: Audit | None,
    robustness: "RobustnessSummary | None",
) -> list[str]:
    """Return three sentences: performance, comparison with baselines, weakest condition."""
    return [
        _describe_performance(data, verdicts[0], doubts[-1]),
        _describe_comparison(data, verdicts, audit),
        _describe_weakness(robustness),
    ]


def format_percent_interval(value: Estimate) -> str:
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"


def _describe_performance(
    data: EvaluationSet, one: "DetectorResult", doubt: AbstentionStatistics
) -> str:
    scored, found = one.scored, one.estimates
    generated, real = int(np.sum(scored.labels == 1)), int(np.sum(scored.labels == 0))
    said = [
        f"finds {format_percent_interval(found['TPR'])} of {_format_count(generated, 'generated face')}"
        if generated
        else "",
        f"calls {format_percent_interval(found['FPR'])} of {_format_count(real, 'photograph')} generated"
        if real
        else "",
    ]
    groups = min(
        len(np.unique(scored.groups[scored.labels == label]))
        for label in set(scored.labels.tolist())
    )
    few = (
        f" That is too little to say much: {_format_count(groups, 'independent image')} in a class."
        if groups < MIN_SUMMARY_GROUPS_PER_CLASS
        else ""
    )
    known = "which it has not learnt from" if data.overlap else "which it may have learnt from"
    where = (
        f"On {data.name}, {known}, {one.name} at its threshold {' and '.join(filter(None, said))}"
    )
    answered = doubt.images - doubt.abstained
    band = f"with an abstention band it answers {answered:,} of {doubt.images:,} and is wrong in {doubt.wrong:,}"
    return f"{where} (in brackets 95% intervals); {band}.{few}"


def _format_count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _describe_comparison(
    data: EvaluationSet, verdicts: "Sequence[DetectorResult]", audit: Audit | None
) -> str:
    first, rivals = verdicts[0], verdicts[1:]
    auc = first.estimates["ROC AUC"]
    if np.isnan(auc.value):
        return (
            "Only one class was shown, so nothing is known here of how well it tells the two apart."
        )
    if np.ptp(first.scored.probabilities) == 0:
        return "It gives every image the same probability: it tells nothing apart, and all its figures are at chance level."
    beaten: dict[bool, list[str]] = {True: [], False: []}
    for each in rivals:
        by = estimate_paired_differences(first.scored, each.scored, ["ROC AUC"])["ROC AUC"]
        beaten[bool(by.low > 0)].append(f"“{each.name}” ({each.estimates['ROC AUC'].value:.3f})")
    told = [
        f"clearly better than {' and '.join(beaten[True])}" if beaten[True] else "",
        f"not clearly better than {' and '.join(beaten[False])}" if beaten[False] else "",
    ]
    source = "Each class comes from one source here, so nobody can say whether it knows a generator or only a source."
    more = [_describe_audit_probe(audit), source if data.one_source_per_class else ""]
    found = f"Its ROC AUC is {', '.join([str(auc), *filter(None, told)])}."
    return " ".join(filter(None, [found, *more]))


def _describe_audit_probe(audit: Audit | None) -> str:
    """The best that the audit reached with what is no evidence at all."""
    probes = [probe for probe in audit.as_trained if probe.tier < 3] if audit else []
    if not probes:
        return ""
    best = max(probes, key=lambda probe: probe.auc)
    return f"Without a look at the face, {best.name} alone reaches {best.auc:.3f} on the training images."


def _describe_weakness(robustness: "RobustnessSummary | None") -> str:
    beyond = "A generator, a camera or an edit that it has not seen may pass unnoticed."
    if not robustness or not robustness.conditions or _is_useless(robustness.undistorted):
        return beyond
    worst = min(robustness.conditions, key=_compute_mean_accuracy)
    where = f"Under {worst.name}, the worst of {len(robustness.conditions)} ways of passing pictures on, it"
    clean = robustness.undistorted
    said = [
        f"{does} {now.value:.0%} of {what} instead of {before.value:.0%}"
        for does, what, now, before in (
            ("finds", "generated faces", worst.tpr, clean.tpr),
            ("calls", "photographs generated", worst.fpr, clean.fpr),
        )
        if np.isfinite(now.value)
    ]
    return f"{where} {' and '.join(said)}. {beyond}"


def _compute_mean_accuracy(each: "DistortionResult") -> float:
    """Balanced accuracy, or what one class alone gives of it."""
    return float(np.nanmean([each.tpr.value, 1 - each.fpr.value]))


def _is_useless(each: "DistortionResult") -> bool:
    return each.tpr.value < 0.5 or each.fpr.value > 0.2


def list_limits(
    records: Sequence[FaceRecord], one: "DetectorResult", robustness: "RobustnessSummary | None"
) -> list[str]:
    """List what not to use the detector for, given the images it was validated on."""
    sources = {
        label: sorted({r.source for r in records if r.label == label})
        for label in ("real", "generated")
    }
    told = "; ".join(f"{label}: {', '.join(names)}" for label, names in sources.items() if names)
    found = [
        "Proof of anything. A verdict is a probability about one picture, and every call can be wrong.",
        f"Pictures of other kinds. These figures hold for images like those judged here ({told}). On another generator or "
        "another collection of photographs they can be anything, chance level and worse: judge yours with --data.",
        "Edited photographs. A swapped, retouched or partly redrawn face is neither of the two things that it has learnt.",
    ]
    found += [_describe_rare_prevalence(one)] if np.isfinite(one.estimates["ROC AUC"].value) else []
    lost = _list_useless_distortions(robustness)
    if lost:
        found.append(
            f"Pictures that have been passed on. Under {', '.join(lost[:8])}{' and others' if len(lost) > 8 else ''} it misses "
            "more than half of the generated faces or calls more than a fifth of the photographs generated."
        )
    people = "Judging people. Unless a breakdown says so, nobody knows whether it errs more often on some people's faces."
    return [*found, people]


def _list_useless_distortions(robustness: "RobustnessSummary | None") -> list[str]:
    """List the distortions under which it is useless; none if it is useless without them."""
    if not robustness or _is_useless(robustness.undistorted):
        return []
    return [each.name for each in robustness.conditions if _is_useless(each)]


def _describe_rare_prevalence(one: "DetectorResult") -> str:
    """Describe the precision where generated images are rare; uses the upper bound of the FPR."""
    hit, alarm = one.estimates["TPR"].value, one.estimates["FPR"].high
    worth = [
        hit * share / max(hit * share + alarm * (1 - share), 1e-9) for share in SUMMARY_PREVALENCES
    ]
    told = " and ".join(
        f"{100 * value:.0f} of 100 where {100 * share:.0f} in 100 pictures are generated"
        for value, share in zip(worth, SUMMARY_PREVALENCES, strict=True)
    )
    return (
        f"Sifting through many pictures without a second look. If its false alarms are at the upper end of their interval "
        f"({alarm:.1%}), the alarms that are right are {told}."
    )
