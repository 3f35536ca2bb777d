"""The three sentences that a report begins with, and what the detector should not be used for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data_collection.audit import Audit
from data_collection.manifest import FaceRecord
from validation.breakdowns import Doubt
from validation.comparison import paired
from validation.evaluation_set import EvaluationSet
from validation.metrics import Estimate

if TYPE_CHECKING:
    from validation.report import Verdicts
    from validation.robustness import Condition
    from validation.robustness_summary import Robustness

FEW = 30
"""Groups of a class under which the first sentence says that they are too few."""

PREVALENCES = (0.01, 0.1)


def verdict(
    data: EvaluationSet,
    verdicts: "Sequence[Verdicts]",
    doubts: Sequence[Doubt],
    audit: Audit | None,
    robustness: "Robustness | None",
) -> list[str]:
    """What it does; whether that is more than simple things do; when it stops doing it."""
    return [_finding(data, verdicts[0], doubts[-1]), _comparison(data, verdicts, audit), _weakness(robustness)]


def per_cent(value: Estimate) -> str:
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"


def _finding(data: EvaluationSet, one: "Verdicts", doubt: Doubt) -> str:
    judged, found = one.judged, one.estimates
    generated, real = int(np.sum(judged.labels == 1)), int(np.sum(judged.labels == 0))
    said = [
        f"finds {per_cent(found['TPR'])} of {_count(generated, 'generated face')}" if generated else "",
        f"calls {per_cent(found['FPR'])} of {_count(real, 'photograph')} generated" if real else "",
    ]
    groups = min(len(np.unique(judged.groups[judged.labels == label])) for label in set(judged.labels.tolist()))
    few = f" That is too little to say much: {_count(groups, 'independent image')} in a class." if groups < FEW else ""
    known = "which it has not learnt from" if data.overlap else "which it may have learnt from"
    where = f"On {data.name}, {known}, {one.name} at its threshold {' and '.join(filter(None, said))}"
    answered = doubt.images - doubt.doubtful
    band = f"with a band of doubt it answers {answered:,} of {doubt.images:,} and is wrong in {doubt.wrong:,}"
    return f"{where} (in brackets 95% intervals); {band}.{few}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _comparison(data: EvaluationSet, verdicts: "Sequence[Verdicts]", audit: Audit | None) -> str:
    first, rivals = verdicts[0], verdicts[1:]
    auc = first.estimates["ROC AUC"]
    if np.isnan(auc.value):
        return "Only one class was shown, so nothing is known here of how well it tells the two apart."
    if np.ptp(first.judged.probabilities) == 0:
        return "It gives every image the same probability: it tells nothing apart, and all its figures are those of a coin."
    beaten: dict[bool, list[str]] = {True: [], False: []}
    for each in rivals:
        by = paired(first.judged, each.judged, ["ROC AUC"])["ROC AUC"]
        beaten[bool(by.low > 0)].append(f"“{each.name}” ({each.estimates['ROC AUC'].value:.3f})")
    told = [
        f"clearly better than {' and '.join(beaten[True])}" if beaten[True] else "",
        f"not clearly better than {' and '.join(beaten[False])}" if beaten[False] else "",
    ]
    source = "Each class comes from one source here, so nobody can say whether it knows a generator or only a source."
    more = [_without_a_face(audit), source if data.one_source_each else ""]
    found = f"Its ROC AUC is {', '.join([str(auc), *filter(None, told)])}."
    return " ".join(filter(None, [found, *more]))


def _without_a_face(audit: Audit | None) -> str:
    """The best that the audit reached with what is no evidence at all."""
    probes = [probe for probe in audit.as_trained if probe.tier < 3] if audit else []
    if not probes:
        return ""
    best = max(probes, key=lambda probe: probe.auc)
    return f"Without a look at the face, {best.name} alone reaches {best.auc:.3f} on the training images."


def _weakness(robustness: "Robustness | None") -> str:
    beyond = "A generator, a camera or an edit that it has not seen may pass unnoticed."
    if not robustness or not robustness.conditions or _useless(robustness.clean):
        return beyond
    worst = min(robustness.conditions, key=_balanced)
    where = f"Under {worst.name}, the worst of {len(robustness.conditions)} ways of passing pictures on, it"
    clean = robustness.clean
    said = [
        f"{does} {now.value:.0%} of {what} instead of {before.value:.0%}"
        for does, what, now, before in (
            ("finds", "generated faces", worst.tpr, clean.tpr),
            ("calls", "photographs generated", worst.fpr, clean.fpr),
        )
        if np.isfinite(now.value)
    ]
    return f"{where} {' and '.join(said)}. {beyond}"


def _balanced(each: "Condition") -> float:
    """Balanced accuracy, or what one class alone gives of it."""
    return float(np.nanmean([each.tpr.value, 1 - each.fpr.value]))


def _useless(each: "Condition") -> bool:
    return each.tpr.value < 0.5 or each.fpr.value > 0.2


def limits(records: Sequence[FaceRecord], one: "Verdicts", robustness: "Robustness | None") -> list[str]:
    """What not to use the detector for, from what it was judged on."""
    sources = {label: sorted({r.source for r in records if r.label == label}) for label in ("real", "generated")}
    told = "; ".join(f"{label}: {', '.join(names)}" for label, names in sources.items() if names)
    found = [
        "Proof of anything. A verdict is a probability about one picture, and every call can be wrong.",
        f"Pictures of other kinds. These figures hold for images like those judged here ({told}). On another generator or "
        "another collection of photographs they can be anything, a coin's and worse: judge yours with --data.",
        "Edited photographs. A swapped, retouched or partly redrawn face is neither of the two things that it has learnt.",
    ]
    found += [_rare(one)] if np.isfinite(one.estimates["ROC AUC"].value) else []
    lost = _lost(robustness)
    if lost:
        found.append(
            f"Pictures that have been passed on. Under {', '.join(lost[:8])}{' and others' if len(lost) > 8 else ''} it misses "
            "more than half of the generated faces or calls more than a fifth of the photographs generated."
        )
    people = "Judging people. Unless a breakdown says so, nobody knows whether it errs more often on some people's faces."
    return [*found, people]


def _lost(robustness: "Robustness | None") -> list[str]:
    """Distortions under which it is of no use; none if it is of no use without them."""
    if not robustness or _useless(robustness.clean):
        return []
    return [each.name for each in robustness.conditions if _useless(each)]


def _rare(one: "Verdicts") -> str:
    """What an alarm is worth where generated pictures are rare; the upper bound of the false-alarm rate, to be careful."""
    hit, alarm = one.estimates["TPR"].value, one.estimates["FPR"].high
    worth = [hit * share / max(hit * share + alarm * (1 - share), 1e-9) for share in PREVALENCES]
    told = " and ".join(
        f"{100 * value:.0f} of 100 where {100 * share:.0f} in 100 pictures are generated"
        for value, share in zip(worth, PREVALENCES, strict=True)
    )
    return (
        f"Sifting through many pictures without a second look. If its false alarms are at the upper end of their interval "
        f"({alarm:.1%}), the alarms that are right are {told}."
    )
