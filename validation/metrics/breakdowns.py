"""Metrics of subgroups of the images: per source, generator, attribute, original size,
JPEG quality.

A subgroup holds one class only, so its row gives the shares of right and wrong answers,
and its AUC is against the whole other class.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset.manifest import LABELS, FaceRecord, ImageClass
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.scored_images import ScoredImages

MIN_IMAGES_PER_SUBGROUP = 20
"""Smaller subgroups are marked as small: their intervals cover almost everything."""

MIN_SHOWN_IMAGES_PER_SUBGROUP = 5
"""Smaller subgroups are counted and not shown."""

BREAKDOWN_REPLICATES = 1000


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """Metrics of a subgroup.

    Attributes:
        images, groups: number of images and of groups.
        right, wrong: share that gets the right and the wrong answer; the others get none.
        auc: AUC of this subgroup against the whole other class.
        probability: mean probability of *generated*; if calibrated, near 1 or 0.
    """

    name: str
    label: ImageClass
    images: int
    groups: int
    right: Estimate
    wrong: Estimate
    auc: Estimate
    probability: float

    @property
    def is_small(self) -> bool:
        return self.images < MIN_IMAGES_PER_SUBGROUP


@dataclass(frozen=True)
class Breakdown:
    """The subgroups by one attribute.

    Attributes:
        hidden_subgroups: number of subgroups with too few images to be shown.
        hidden_images: number of their images.
    """

    name: str
    subgroups: list[Subgroup]
    hidden_subgroups: int
    hidden_images: int

    @property
    def worst(self) -> Subgroup | None:
        """The subgroup with the largest share of wrong answers, of those that are not small."""
        large = [subgroup for subgroup in self.subgroups if not subgroup.is_small]
        return max(large, key=lambda subgroup: subgroup.wrong.value, default=None)


def _make_value_ranges(*edges: int) -> list[tuple[int, str]]:
    names = [
        f"under {edges[0]}",
        *(f"{low} to {high - 1}" for low, high in zip(edges, edges[1:], strict=False)),
    ]
    return [*zip(edges, names, strict=True), (10**9, f"{edges[-1]} and more")]


SIZE_RANGES_PX, JPEG_QUALITY_RANGES = (
    _make_value_ranges(256, 512, 768, 1024, 2048),
    _make_value_ranges(60, 75, 85, 95),
)


def _find_value_range(value: int, ranges: list[tuple[int, str]]) -> str:
    return next(name for edge, name in ranges if value < edge)


BREAKDOWN_KEYS: dict[str, Callable[[FaceRecord], dict[str, str]]] = {
    "source": lambda record: {"": record.source},
    "generator": lambda record: {"": record.generator},
    "attribute of the generated image": lambda record: (
        dict(record.attributes) if record.label == "generated" else {}
    ),
    "attribute of the photograph": lambda record: (
        dict(record.attributes) if record.label == "real" else {}
    ),
    "original size, shorter side in pixels": lambda record: {
        "": _find_value_range(min(record.width, record.height), SIZE_RANGES_PX)
    },
    "original format and JPEG quality": lambda record: {
        "": f"JPEG {_find_value_range(record.quality, JPEG_QUALITY_RANGES)}"
        if record.quality
        else record.format
    },
}
"""Functions from a record to {attribute: value}; an empty value belongs to no subgroup."""


def compute_breakdowns(records: Sequence[FaceRecord], scored: ScoredImages) -> list[Breakdown]:
    """Compute every breakdown with a subgroup to show that no earlier breakdown shows."""
    breakdowns: list[Breakdown] = []
    earlier_partitions: list[set[frozenset[int]]] = []
    for name, get_values in BREAKDOWN_KEYS.items():
        subgroups = _index_subgroups(records, get_values)
        shown = {
            key: indices
            for key, indices in subgroups.items()
            if len(indices) >= MIN_SHOWN_IMAGES_PER_SUBGROUP
        }
        hidden = [indices for key, indices in subgroups.items() if key not in shown]
        partition = {frozenset(indices) for indices in shown.values()}
        if shown and not any(partition <= earlier for earlier in earlier_partitions):
            evaluated = [
                _evaluate_subgroup(*key, np.array(indices), scored)
                for key, indices in shown.items()
            ]
            breakdowns.append(Breakdown(name, evaluated, len(hidden), sum(map(len, hidden))))
        earlier_partitions.append(partition)
    return breakdowns


def _index_subgroups(
    records: Sequence[FaceRecord], get_values: Callable[[FaceRecord], dict[str, str]]
) -> dict[tuple[str, ImageClass], list[int]]:
    """Return the indices of each subgroup's images by its name and class, photographs first."""
    subgroups: dict[tuple[str, ImageClass], list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        for attribute, value in get_values(record).items():
            if value:
                name = f"{attribute}: {value}" if attribute else value
                subgroups[name, record.label].append(index)
    return dict(
        sorted(
            subgroups.items(),
            key=lambda item: (LABELS.index(item[0][1]), _get_subgroup_sort_key(item[0][0])),
        )
    )


def _get_subgroup_sort_key(name: str) -> tuple[int, str]:
    """Sort sizes and qualities by value, everything else by name."""
    ranges = [range_name for _, range_name in (*SIZE_RANGES_PX, *JPEG_QUALITY_RANGES)]
    range_name = name.removeprefix("JPEG ")
    return ranges.index(range_name) if range_name in ranges else len(ranges), name


def _evaluate_subgroup(
    name: str, label: ImageClass, indices: np.ndarray, scored: ScoredImages
) -> Subgroup:
    subgroup = scored.select(indices)
    generated = label == "generated"
    images = "generated images" if generated else "photographs"
    names = [f"{images} called generated", f"{images} called real"]
    called_generated, called_real = estimate_metrics(subgroup, names, BREAKDOWN_REPLICATES).values()
    other_class = np.flatnonzero(scored.labels != generated)
    with_other_class = scored.select(np.concatenate([indices, other_class]))
    auc = estimate_metrics(with_other_class, ["ROC AUC"], BREAKDOWN_REPLICATES)["ROC AUC"]
    return Subgroup(
        name=name,
        label=label,
        images=len(indices),
        groups=len(np.unique(subgroup.groups)),
        right=called_generated if generated else called_real,
        wrong=called_real if generated else called_generated,
        auc=auc,
        probability=float(subgroup.probabilities.mean()),
    )
