"""List what a validated detector must not be used for."""

from collections.abc import Sequence

import numpy as np

from data_collection.dataset.manifest import LABELS, FaceRecord
from validation.metrics.comparison import DetectorResult
from validation.metrics.metrics import FALSE_ALARMS, FOUND
from validation.report.first_screen import is_of_little_use
from validation.robustness.robustness import DistortionResult
from validation.robustness.summary import RobustnessSummary
from validation.sharing.results import SharingSummary

SUMMARY_PREVALENCES = (0.01, 0.1)

MAX_NAMED_DISTORTIONS = 8


def list_limits(
    records: Sequence[FaceRecord],
    result: DetectorResult,
    robustness: RobustnessSummary | None,
    sharing: SharingSummary | None = None,
) -> list[str]:
    """List what not to use the detector for, given the images it was validated on."""
    sources = {
        label: sorted({record.source for record in records if record.label == label})
        for label in LABELS
    }
    description = "; ".join(
        f"{label}: {', '.join(names)}" for label, names in sources.items() if names
    )
    has_both_classes = np.isfinite(result.estimates["ROC AUC"].value)
    useless = [*_list_useless_distortions(robustness), *_list_useless_chains(sharing)]
    return [
        "Proof of anything. A verdict is a probability about one picture, and every call can be "
        "wrong.",
        f"Pictures of other kinds. These figures hold for images like those tested here "
        f"({description}). On another generator or another collection of photographs they can be "
        "anything, chance level and worse: test yours with --data.",
        "Edited photographs. A swapped, retouched or partly redrawn face is neither of its two "
        "classes.",
        *([_describe_rare_prevalence(result)] if has_both_classes else []),
        *([_describe_useless_distortions(useless)] if useless else []),
        "Judging people. Unless a breakdown says so, nobody knows whether it errs more often on "
        "some people's faces.",
    ]


def _list_useless_distortions(robustness: RobustnessSummary | None) -> list[str]:
    """List the distortions under which it is useless; none if it is useless without them."""
    if not robustness or is_useless(robustness.undistorted):
        return []
    return [condition.name for condition in robustness.conditions if is_useless(condition)]


def _list_useless_chains(sharing: SharingSummary | None) -> list[str]:
    """List the ways of passing on under which it is useless; none if it is useless without."""
    if not sharing or is_useless(sharing.unshared):
        return []
    return [f"“{chain.name}”" for chain in sharing.chains if is_useless(chain.metrics)]


def _describe_useless_distortions(names: list[str]) -> str:
    more = " and others" if len(names) > MAX_NAMED_DISTORTIONS else ""
    return (
        "Pictures that have been passed on. Under "
        f"{', '.join(names[:MAX_NAMED_DISTORTIONS])}{more} it misses more than half "
        "of the generated faces or calls more than a fifth of the photographs generated."
    )


def _describe_rare_prevalence(result: DetectorResult) -> str:
    """Describe the precision where generated images are rare, at the upper bound of the alarms."""
    found, max_alarms = result.estimates[FOUND].value, result.estimates[FALSE_ALARMS].high
    precisions = [
        found * share / max(found * share + max_alarms * (1 - share), 1e-9)
        for share in SUMMARY_PREVALENCES
    ]
    description = " and ".join(
        f"{100 * value:.0f} where {100 * share:.0f} in 100 pictures are generated"
        for value, share in zip(precisions, SUMMARY_PREVALENCES, strict=True)
    )
    return (
        f"Sifting through many pictures without a second look. If its false alarms are at the "
        f"upper end of their interval ({max_alarms:.1%}), of 100 alarms so many are "
        f"right: {description}."
    )


def is_useless(condition: DistortionResult) -> bool:
    """Return whether the answers to images under a condition are of little use."""
    return is_of_little_use(condition.found.value, condition.false_alarms.value)
