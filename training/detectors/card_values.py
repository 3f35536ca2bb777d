"""Check the values of a card that would cause unexplained errors later, or false sentences."""

import math
from collections.abc import Iterable, Mapping

from data_collection.dataset import manifest
from training.attribution.attribution import AttributionCounts, GeneratorAttribution
from training.calibration import Scores
from training.cuts.cut import Cut
from training.cuts.left_out import LeftOutSource
from training.cuts.operating_point import Calibration
from training.detectors.card_fields import SearchDescription

SPLITS: tuple[manifest.Split, ...] = ("train", "validation", "hold-out")
"""Not taken from `splits`, whose import of SciPy would slow down every answer."""

MAX_COUNT = 10**9
"""Largest number of images or groups."""


def are_image_counts(images: Mapping[str, Mapping[str, int]]) -> bool:
    """Return whether every split has a possible number of images of each class.

    Raises:
        KeyError: one is missing.
    """
    counts = [images[split][label] for split in SPLITS for label in manifest.LABELS]
    return all(0 <= count <= MAX_COUNT for count in counts)


def is_calibration(calibration: Calibration) -> bool:
    """Return whether cuts and threshold are probabilities, and the temperature is a number."""
    return (
        all(map(_is_cut, (*calibration.false_alarm_cuts, *calibration.miss_cuts)))
        and 0 <= calibration.threshold <= 1
        and 0 < calibration.temperature < math.inf
    )


def _is_cut(cut: Cut) -> bool:
    shares = (cut.limit or 0, cut.expected, cut.low, cut.high)
    return _are_shares(shares) and 0 < cut.target < 1 and 0 <= cut.groups <= MAX_COUNT


def is_left_out_source(source: LeftOutSource) -> bool:
    """Return whether every score of a source has its group, and all are numbers."""
    return (
        source.label in (0, 1)
        and len(source.groups) == len(source.lowest) == len(source.highest)
        and all(map(math.isfinite, (*source.lowest, *source.highest)))
        and all(low <= high for low, high in zip(source.lowest, source.highest, strict=True))
        and _are_shares(limit or 0 for limit in source.limits)
    )


def is_attribution(attribution: GeneratorAttribution, search: SearchDescription) -> bool:
    """Return whether an attribution fits the heads, and all of its numbers can be used."""
    n_generators = len(attribution.generators)
    numbers = [*attribution.bias, *(value for row in attribution.kernel for value in row)]
    counts = (*attribution.known, *attribution.left_out)
    return (
        n_generators > 1
        and attribution.generators == search.generators
        and len(attribution.tensors) == len(search.weights)
        and all(attribution.tensors)
        and len(attribution.bias) == len(attribution.kernel) == n_generators + 1
        and all(len(row) == n_generators for row in attribution.kernel)
        and all(map(math.isfinite, numbers))
        and _are_shares([attribution.cut])
        and bool(attribution.known)
        and all(map(_are_attribution_counts, counts))
        and all(map(math.isfinite, search.weights))
    )


def _are_attribution_counts(counts: AttributionCounts) -> bool:
    return (
        0 < counts.images <= MAX_COUNT
        and 0 < counts.groups <= counts.images
        and min(counts.own, counts.none, counts.images - counts.own - counts.none) >= 0
    )


def are_scores(scores: Scores) -> bool:
    """Return whether the scores are within their ranges."""
    return 0 <= scores.auc <= 1 and 0 <= scores.log_loss < math.inf


def _are_shares(values: Iterable[float]) -> bool:
    return all(0 <= value <= 1 for value in values)
