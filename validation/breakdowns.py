"""The same detector on parts of the images: per source, generator, prompt attribute, original size, JPEG quality.

A part holds one class only, so its row says how often that class is judged right, and its AUC is against the whole other class.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.manifest import LABELS, FaceRecord
from training.calibration import DOUBT
from validation.intervals import CONFIDENCE, exact
from validation.judged import Judged
from validation.metrics import BINS, Estimate, bins, estimates

FEWEST = 20
"""Images under which a part is not shown: its interval would cover almost everything."""

REPLICATES = 1000


@dataclass(frozen=True)
class Part:
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
    parts: list[Part]
    hidden: tuple[int, int]

    @property
    def worst(self) -> Part | None:
        return min(self.parts, key=lambda part: part.right.value, default=None)


def _steps(*edges: int) -> list[tuple[int, str]]:
    names = [f"under {edges[0]}", *(f"{low} to {high - 1}" for low, high in zip(edges, edges[1:], strict=False))]
    return [*zip(edges, names, strict=True), (10**9, f"{edges[-1]} and more")]


SIZES, QUALITIES = _steps(256, 512, 768, 1024, 2048), _steps(60, 75, 85, 95)


def _step(value: int, steps: list[tuple[int, str]]) -> str:
    return next(name for edge, name in steps if value < edge)


CUTS: dict[str, Callable[[FaceRecord], dict[str, str]]] = {
    "source": lambda record: {"": record.source},
    "generator": lambda record: {"": record.generator},
    "prompt attribute": lambda record: dict(record.attributes) if record.label == "generated" else {},
    "attribute of the photograph": lambda record: dict(record.attributes) if record.label == "real" else {},
    "original size, shorter side in pixels": lambda record: {"": _step(min(record.width, record.height), SIZES)},
    "original format and JPEG quality": lambda record: {
        "": f"JPEG {_step(record.quality, QUALITIES)}" if record.quality else record.format
    },
}
"""What each image is of, as {attribute: value}; an empty value is no part."""


def breakdowns(records: Sequence[FaceRecord], judged: Judged) -> list[Breakdown]:
    """Every cut with at least one part that is large enough and that no earlier cut has shown."""
    found: list[Breakdown] = []
    seen: list[set[frozenset[int]]] = []
    for name, cut in CUTS.items():
        parts = _parts(records, cut)
        large = {key: rows for key, rows in parts.items() if len(rows) >= FEWEST}
        small = [rows for key, rows in parts.items() if key not in large]
        cut_up = {frozenset(members) for members in large.values()}
        if large and not any(cut_up <= other for other in seen):
            rows = [_row(*key, np.array(members), judged) for key, members in large.items()]
            found.append(Breakdown(name, rows, (len(small), sum(map(len, small)))))
        seen.append(cut_up)
    return found


def _parts(records: Sequence[FaceRecord], cut: Callable[[FaceRecord], dict[str, str]]) -> dict[tuple[str, str], list[int]]:
    """Indices of the images of each part, by its name and label, the photographs first."""
    parts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        for attribute, value in cut(record).items():
            if value:
                parts[f"{attribute}: {value}" if attribute else value, record.label].append(index)
    return dict(sorted(parts.items(), key=lambda item: (LABELS.index(item[0][1]), _order(item[0][0]))))


def _order(name: str) -> tuple[int, str]:
    """Sizes and qualities by what they are, everything else by name."""
    steps = [step for _, step in (*SIZES, *QUALITIES)]
    return steps.index(name.removeprefix("JPEG ")) if name.removeprefix("JPEG ") in steps else len(steps), name


def _row(name: str, label: str, rows: np.ndarray, judged: Judged) -> Part:
    mine = judged.taken(rows)
    generated = label == "generated"
    rate = "TPR" if generated else "FPR"
    others = np.flatnonzero(judged.labels != generated)
    found = estimates(mine, [rate], REPLICATES)[rate]
    against = judged.taken(np.concatenate([rows, others]))
    auc = estimates(against, ["ROC AUC"], REPLICATES)["ROC AUC"]
    right = found if generated else Estimate(1 - found.value, 1 - found.high, 1 - found.low)
    return Part(name, label, len(rows), len(np.unique(mine.groups)), right, auc, float(mine.probabilities.mean()))


@dataclass(frozen=True)
class Bin:
    """One reliability bin: images in it, their mean probability, and the share of them that is generated."""

    images: int
    probability: float
    generated: float


def reliability(judged: Judged) -> Iterator[Bin]:
    """The bins of the expected calibration error that hold images."""
    where = bins(judged.probabilities)
    for number in range(BINS):
        inside = where == number
        if inside.any():
            yield Bin(int(inside.sum()), float(judged.probabilities[inside].mean()), float(judged.labels[inside].mean()))


@dataclass(frozen=True)
class Doubt:
    """What the band of doubt costs and buys.

    Attributes:
        label: "real", "generated", or "all".
        doubtful: how many of `images` get "can't tell".
        wrong: how many of the others are answered wrong.
        error: the share of wrong answers, with its exact interval over groups; NaN without answers.
    """

    label: str
    images: int
    doubtful: int
    wrong: int
    error: Estimate


def doubts(judged: Judged, verdicts: Sequence[str]) -> list[Doubt]:
    said, names = np.array(verdicts), np.array(LABELS)[judged.labels]
    rows = []
    for label in (*LABELS, "all"):
        mine = np.full(len(said), True) if label == "all" else names == label
        doubtful = mine & (said == DOUBT)
        answered = mine & ~doubtful
        wrong = answered & (said != names)
        rows.append(Doubt(label, int(mine.sum()), int(doubtful.sum()), int(wrong.sum()), _error(wrong, answered, judged)))
    return rows


def _error(wrong: np.ndarray, answered: np.ndarray, judged: Judged) -> Estimate:
    if not answered.any():
        return Estimate(np.nan, np.nan, np.nan)
    share = float(wrong.sum() / answered.sum())
    return Estimate(share, *exact(share, len(np.unique(judged.groups[answered])), CONFIDENCE))
