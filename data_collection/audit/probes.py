"""Probes: measure how well a few features separate two classes, with an interval and a status."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_collection.audit.file_differences import (
    ABSENT_FACT_VALUES,
    FILE_FACT_PHRASES,
    MIN_EXCLUSIVE_SHARE,
)
from data_collection.audit.file_features import FeatureValues
from data_collection.audit.scores import (
    CROSS_VALIDATION_FOLDS,
    compute_auc,
    compute_auc_interval,
    compute_out_of_fold_scores,
)

ProbeStatus = Literal["RED", "too few", "AMBER", "GREEN", "WARN", "reported"]

MAX_CHANCE_AUC, MAX_PROCESSING_AUC, WARNING_AUC, NEAR_PERFECT_AUC = 0.60, 0.55, 0.70, 0.95
"""Limits that the interval of an AUC has to lie above, for its probe to be: RED in Tier 1; AMBER in
Tier 2; WARN in Tier 3; AMBER in Tier 3. With 80 groups of 10 images and random labels, 95% of the
AUCs lie under .558."""

MIN_GROUPS_FOR_GREEN, MIN_IMAGES_FOR_GREEN = 20, 200
"""Per class; with fewer, no probe is GREEN."""

HISTORY_TIER, PROCESSING_TIER, NUISANCE_TIER, INFORMATION_TIER = 1, 2, 3, 4

PROBE_TIERS = {
    "container": HISTORY_TIER,
    "processing history": HISTORY_TIER,
    "sharpening or smoothing": PROCESSING_TIER,
    "noise": PROCESSING_TIER,
    "chroma detail": PROCESSING_TIER,
    "resize kernel": PROCESSING_TIER,
    "vignette": PROCESSING_TIER,
    "colour profile": PROCESSING_TIER,
    "caption or frame": PROCESSING_TIER,
    "file size": NUISANCE_TIER,
    "colour": NUISANCE_TIER,
    "thumbnail": NUISANCE_TIER,
    "border": NUISANCE_TIER,
    "spectrum": INFORMATION_TIER,
}
"""Tier of each probe; every other (placebo) is of Tier 1. 1: never evidence of a generator. 2: what
a source may have done to its files, or a trace. 3: depends on what was collected. 4: may be a
trace."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """How well one set of features separates the classes, in 5-fold cross-validation that never
    splits a group.

    Attributes:
        name: of the set of features.
        tier: 1 to 4, see PROBE_TIERS.
        auc: the larger of the AUCs of a logistic regression and of a small gradient-boosted tree.
        low, high: its 95% interval, by a bootstrap of groups within class.
        best_single: the feature that separates best by itself, with its direction, as text.
    """

    name: str
    tier: int
    auc: float
    low: float
    high: float
    best_single: str
    status: ProbeStatus


def format_probes(probes: Sequence[ProbeResult]) -> str:
    return ", ".join(
        f"{probe.name} (AUC {probe.auc:.2f}, {probe.low:.2f} to {probe.high:.2f})"
        for probe in probes
    )


def align_probes(
    lists: Sequence[Sequence[ProbeResult]],
) -> list[tuple[str, list[ProbeResult | None]]]:
    """Return every name, with the probe of that name from each list, or None."""
    by_name = [{probe.name: probe for probe in probes} for probes in lists]
    names = dict.fromkeys(name for probes in by_name for name in probes)
    return [(name, [probes.get(name) for probes in by_name]) for name in names]


def evaluate_probe(
    name: str,
    image_features: Sequence[FeatureValues],
    positive: np.ndarray,
    groups: np.ndarray,
    positive_phrase: str,
    seed: int,
) -> ProbeResult:
    """Evaluate one set of features.

    Args:
        positive: whether an image belongs to the second class; bool, shape (images,).
        groups: group of each image; shape (images,).
        positive_phrase: name of the images of the second class in `best_single`.
    """
    tier = PROBE_TIERS.get(name, HISTORY_TIER)
    min_groups = min(len(set(groups[positive == side])) for side in (False, True))
    if min_groups < 2 * CROSS_VALIDATION_FOLDS:
        return _build_chance_result(name, tier)
    table, columns = build_feature_table(image_features)
    scores = compute_out_of_fold_scores(table, positive, groups, seed)
    best = max(scores, key=lambda score: compute_auc(score, positive))
    low, high = compute_auc_interval(best, positive, groups, seed)
    enough_data = (
        min_groups >= MIN_GROUPS_FOR_GREEN
        and min(positive.sum(), (~positive).sum()) >= MIN_IMAGES_FOR_GREEN
    )
    return ProbeResult(
        name=name,
        tier=tier,
        auc=round(compute_auc(best, positive), 4),
        low=round(low, 4),
        high=round(high, 4),
        best_single=describe_best_column(table, columns, positive, positive_phrase),
        status=decide_probe_status(tier, low, high, enough_data),
    )


def _build_chance_result(name: str, tier: int) -> ProbeResult:
    """Return the result of a probe with too few groups to cross-validate."""
    return ProbeResult(
        name=name,
        tier=tier,
        auc=0.5,
        low=0.0,
        high=1.0,
        best_single="",
        status="too few" if tier == HISTORY_TIER else "reported",
    )


def decide_probe_status(tier: int, low: float, high: float, enough_data: bool) -> ProbeStatus:
    """Decide by the interval; little data can show a shortcut, but never its absence."""
    if tier == NUISANCE_TIER:
        return "AMBER" if low >= NEAR_PERFECT_AUC else "WARN" if low > WARNING_AUC else "reported"
    if tier != HISTORY_TIER:
        is_found = tier == PROCESSING_TIER and low > MAX_PROCESSING_AUC
        return "AMBER" if is_found else "reported"
    if low > MAX_CHANCE_AUC:
        return "RED"
    return "too few" if not enough_data else "GREEN" if high <= MAX_CHANCE_AUC else "AMBER"


def build_feature_table(image_features: Sequence[FeatureValues]) -> tuple[np.ndarray, list[str]]:
    """Return a float64 table of shape (images, columns) and the columns' names; a category becomes
    one column per value."""
    columns: dict[str, list[float]] = {}
    for name in image_features[0]:
        values = [image[name] for image in image_features]
        if isinstance(values[0], str):
            for value in sorted(
                v
                for v, n in Counter(values).items()
                if v not in ABSENT_FACT_VALUES and n > MIN_EXCLUSIVE_SHARE / 2 * len(values)
            ):
                columns[f"files that {FILE_FACT_PHRASES[name].format(value)}"] = [
                    float(v == value) for v in values
                ]
        else:
            columns[name] = values
    columns = {name: values for name, values in columns.items() if min(values) != max(values)}
    return np.array(list(columns.values()), dtype=np.float64).reshape(
        len(columns), len(image_features)
    ).T, list(columns)


def describe_best_column(
    table: np.ndarray, columns: Sequence[str], positive: np.ndarray, positive_phrase: str
) -> str:
    """Name the column that separates best by itself, with its direction."""
    if not columns:
        return "no number differs between any two images"
    aucs = [compute_auc(column, positive) for column in table.T]
    best = max(range(len(aucs)), key=lambda i: abs(aucs[i] - 0.5))
    direction = "more" if aucs[best] > 0.5 else "less"
    return (
        f"{columns[best]}: {direction} in {positive_phrase} (AUC "
        f"{max(aucs[best], 1 - aucs[best]):.2f})"
    )
