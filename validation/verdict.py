"""The three sentences that a report begins with, and what the detector should not be used for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from data_collection.audit import Audit
from data_collection.manifest import FaceRecord
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
    data: EvaluationSet, verdicts: "Sequence[Verdicts]", audit: Audit | None, robustness: "Robustness | None"
) -> list[str]:
    """What it does; whether that is more than simple things do; when it stops doing it."""
    return [_finding(data, verdicts[0]), _comparison(verdicts, audit), _weakness(verdicts[0], robustness)]


def per_cent(value: Estimate) -> str:
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"


def _finding(data: EvaluationSet, one: "Verdicts") -> str:
    judged, found = one.judged, one.estimates
    generated, real = int(np.sum(judged.labels == 1)), int(np.sum(judged.labels == 0))
    said = [
        f"finds {per_cent(found['TPR'])} of {_count(generated, 'generated face')}" if generated else "",
        f"calls {per_cent(found['FPR'])} of {_count(real, 'photograph')} generated" if real else "",
    ]
    groups = min(len(np.unique(judged.groups[judged.labels == label])) for label in set(judged.labels.tolist()))
    few = f" That is too little to say much: {_count(groups, 'independent image')} in a class." if groups < FEW else ""
    known = "which it has not learnt from" if data.overlap else "which it may have learnt from"
    return f"On {data.name}, {known}, {one.name} {' and '.join(filter(None, said))}; in brackets the 95% intervals.{few}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _comparison(verdicts: "Sequence[Verdicts]", audit: Audit | None) -> str:
    first, rivals = verdicts[0], verdicts[1:]
    auc = first.estimates["ROC AUC"]
    if np.isnan(auc.value):
        return "Only one class was shown, so nothing is known here of how well it tells the two apart."
    if len(np.unique(first.judged.probabilities)) == 1:
        return "It gives every image the same probability: it tells nothing apart, and all its figures are those of a coin."
    others = [(each.name, each.estimates["ROC AUC"].value) for each in rivals]
    if audit:
        plain = [(f"the audit's look at {probe.name} alone", probe.auc) for probe in audit.as_trained if probe.tier < 3]
        others += [max(plain, key=lambda each: each[1])] if plain else []
    told = ", ".join(f"{name} {value:.3f}" for name, value in others)
    return f"Its ROC AUC is {auc}" + (f"; what it has to beat: {told}." if told else ".")


def _weakness(one: "Verdicts", robustness: "Robustness | None") -> str:
    beyond = "A generator, a camera or an edit that it has not seen may pass unnoticed."
    if not robustness or not robustness.conditions:
        return beyond
    rates = [(each.tpr.value if np.isfinite(each.tpr.value) else 1 - each.fpr.value, each) for each in robustness.conditions]
    _, worst = min(rates, key=lambda rate: rate[0])
    where = f"Under {worst.name}, the worst of {len(rates)} ways of passing pictures on,"
    if np.isnan(worst.tpr.value):
        return f"{where} it calls {worst.fpr.value:.0%} of photographs generated. {beyond}"
    alarms = "" if np.isnan(worst.fpr.value) else f", with {worst.fpr.value:.0%} false alarms"
    clean = one.estimates["TPR"].value
    return f"{where} it finds {worst.tpr.value:.0%} of generated faces instead of {clean:.0%}{alarms}. {beyond}"


def limits(records: Sequence[FaceRecord], one: "Verdicts", robustness: "Robustness | None") -> list[str]:
    """What not to use the detector for, from what it was judged on."""
    sources = {label: sorted({r.source for r in records if r.label == label}) for label in ("real", "generated")}
    told = "; ".join(f"{label}: {', '.join(names)}" for label, names in sources.items() if names)
    found = [
        "Proof of anything. A verdict is a probability about one picture, and every call can be wrong.",
        f"Pictures of other kinds. These figures hold for images like those judged here ({told}). On another generator or "
        "another collection of photographs they can be anything down to a coin's: judge yours with --data.",
        "Edited photographs. A swapped, retouched or partly redrawn face is neither of the two things that it has learnt.",
    ]
    found += [_rare(one)] if np.isfinite(one.estimates["ROC AUC"].value) else []
    lost = _lost(robustness)
    if lost:
        found.append(
            f"Pictures that have been passed on. Under {', '.join(lost[:8])}{' and others' if len(lost) > 8 else ''} it misses "
            "more than half of the generated faces or calls more than a fifth of the photographs generated."
        )
    people = "Judging people. Nothing here says whether it errs more often on faces of one group of people than of another."
    return [*found, people]


def _lost(robustness: "Robustness | None") -> list[str]:
    """Distortions under which it is of no use; none if it is of no use without them."""

    def useless(each: "Condition") -> bool:
        return each.tpr.value < 0.5 or each.fpr.value > 0.2

    if not robustness or useless(robustness.clean):
        return []
    return [each.name for each in robustness.conditions if useless(each)]


def _rare(one: "Verdicts") -> str:
    """What an alarm is worth where generated pictures are rare; the upper bound of the false-alarm rate, to be careful."""
    hit, alarm = one.estimates["TPR"].value, one.estimates["FPR"].high
    worth = [hit * share / max(hit * share + alarm * (1 - share), 1e-9) for share in PREVALENCES]
    told = ", and ".join(
        f"{value:.0%} where {share:.0%} are generated" for value, share in zip(worth, PREVALENCES, strict=True)
    )
    return (
        f"Sifting through many pictures without a second look. With the upper bound of its false alarms ({alarm:.1%}), an "
        f"alarm is right in {told}."
    )
