"""The same detector on parts of the images: per source, generator, prompt attribute, original size,
JPEG quality.

A part holds one class only, so its row says how often that class is judged right, and its AUC is
against the whole other class.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset.manifest import LABELS, FaceRecord
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.scored_images import ScoredImages

MIN_IMAGES_PER_SUBGROUP = 20
"""Images under which a part is not shown: its interval would cover almost everything."""

BREAKDOWN_REPLICATES = 1000


@dataclass(frozen=True)
class Subgroup:
    """One row.

    Attributes:
        images, groups: how many.
        right: share that is judged right at the frozen threshold.
        auc: of this part against the whole other class.
        probability: mean probability of *generated*; for calibration, to be held against 1 or 0.
    """

    name: str
    label: str
    images: int
    groups: int
    right: Estimate
    auc: Estimate
    probability: float


@dataclass(frozen=True)
class Breakdown:
    """One way to cut the images.

    Attributes:
        hidden: parts with too few images to be shown, and how many images they hold.
    """

    name: str
    parts: list[Subgroup]
    hidden: tuple[int, int]

    @property
    def worst(self) -> Subgroup | None:
        return min(self.parts, key=lambda part: part.right.value, default=None)


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


def _find_value_range(value: int, steps: list[tuple[int, str]]) -> str:
    return next(name for edge, name in steps if value < edge)


BREAKDOWN_KEYS: dict[str, Callable[[FaceRecord], dict[str, str]]] = {
    "source": lambda record: {"": record.source},
    "generator": lambda record: {"": record.generator},
    "prompt attribute": lambda record: (
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
    """Every cut with at least one part that is large enough and that no earlier cut has shown."""
    found: list[Breakdown] = []
    seen: list[set[frozenset[int]]] = []
    for name, cut in BREAKDOWN_KEYS.items():
        parts = _index_subgroups(records, cut)
        large = {key: rows for key, rows in parts.items() if len(rows) >= MIN_IMAGES_PER_SUBGROUP}
        small = [rows for key, rows in parts.items() if key not in large]
        cut_up = {frozenset(members) for members in large.values()}
        if large and not any(cut_up <= other for other in seen):
            rows = [
                _evaluate_subgroup(*key, np.array(members), scored)
                for key, members in large.items()
            ]
            found.append(Breakdown(name, rows, (len(small), sum(map(len, small)))))
        seen.append(cut_up)
    return found


def _index_subgroups(
    records: Sequence[FaceRecord], cut: Callable[[FaceRecord], dict[str, str]]
) -> dict[tuple[str, str], list[int]]:
    """Indices of the images of each part, by its name and label, the photographs first."""
    parts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        for attribute, value in cut(record).items():
            if value:
                parts[f"{attribute}: {value}" if attribute else value, record.label].append(index)
    return dict(
        sorted(
            parts.items(),
            key=lambda item: (LABELS.index(item[0][1]), _get_subgroup_sort_key(item[0][0])),
        )
    )


def _get_subgroup_sort_key(name: str) -> tuple[int, str]:
    """Sizes and qualities by what they are, everything else by name."""
    steps = [step for _, step in (*SIZE_RANGES_PX, *JPEG_QUALITY_RANGES)]
    return steps.index(name.removeprefix("JPEG ")) if name.removeprefix("JPEG ") in steps else len(
        steps
    ), name


def _evaluate_subgroup(name: str, label: str, rows: np.ndarray, scored: ScoredImages) -> Subgroup:
    mine = scored.select(rows)
    generated = label == "generated"
    rate = "TPR" if generated else "FPR"
    others = np.flatnonzero(scored.labels != generated)
    found = estimate_metrics(mine, [rate], BREAKDOWN_REPLICATES)[rate]
    against = scored.select(np.concatenate([rows, others]))
    auc = estimate_metrics(against, ["ROC AUC"], BREAKDOWN_REPLICATES)["ROC AUC"]
    right = found if generated else Estimate(1 - found.value, 1 - found.high, 1 - found.low)
    return Subgroup(
        name,
        label,
        len(rows),
        len(np.unique(mine.groups)),
        right,
        auc,
        float(mine.probabilities.mean()),
    )
