"""Count the answers to sources left out: those that the scoring heads were not trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.calibration import sigmoid
from training.cuts.cut import Cut
from training.cuts.operating_point import Calibration, OperatingPoint
from training.cuts.verdicts import ABSTAIN, GENERATED

MAX_STORED_IMAGES = 1000
"""Images of one source whose scores the card keeps."""

WILSON_Z = 1.96


@dataclass(frozen=True, kw_only=True)
class LeftOutSource:
    """A source, scored by heads of the detector's configuration that were not trained on it.

    Attributes:
        label: 1 for a generator, 0 for photographs.
        lowest, highest: calibrated logits of at most MAX_STORED_IMAGES images, at the quality where
            each is lowest and highest.
        groups: number of the group of each of them.
        limits: by target of its class's cuts, the largest first: the cut that the other sources
            set; None if they have too few groups.
    """

    source: str
    label: int
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    groups: tuple[int, ...]
    limits: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class AnswerCounts:
    """Answers to the images of a source.

    Attributes:
        groups: number of independent groups of images.
        generated, real: number of images with this answer.
    """

    source: str
    label: int
    images: int
    groups: int
    generated: int
    real: int

    @property
    def generated_share(self) -> float:
        """Share of the images that is called generated."""
        return self.generated / self.images


def count_left_out_answers(
    sources: Sequence[LeftOutSource], calibration: Calibration, point: OperatingPoint
) -> list[AnswerCounts]:
    """Count the answers to every source at an operating point.

    The cut of the source's own class is the one that the other sources set, so that no figure is
    of images that set their own cut.
    """
    return [_count_answers(source, calibration, point) for source in sources]


def _count_answers(
    source: LeftOutSource, calibration: Calibration, point: OperatingPoint
) -> AnswerCounts:
    name = "miss_cut" if source.label else "false_alarm_cut"
    cuts = calibration.miss_cuts if source.label else calibration.false_alarm_cuts
    cut: Cut = getattr(point, name)
    for offered, limit in zip(cuts, source.limits, strict=True):
        if math.isclose(offered.target, cut.target) and limit is not None and offered == cut:
            point = replace(point, **{name: replace(cut, limit=limit)})
    lowest, highest = (
        sigmoid(np.array(logits)).tolist() for logits in (source.lowest, source.highest)
    )
    # The probability of an image lies between both, and the answer depends on these alone.
    answers = [point.decide(low, low, high) for low, high in zip(lowest, highest, strict=True)]
    return AnswerCounts(
        source=source.source,
        label=source.label,
        images=len(answers),
        groups=len(set(source.groups)),
        generated=answers.count(GENERATED),
        real=len(answers) - answers.count(GENERATED) - answers.count(ABSTAIN),
    )


def compute_wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's (1927) 95% interval of a share among n independent groups."""
    centre = (share + WILSON_Z**2 / (2 * n)) / (1 + WILSON_Z**2 / n)
    spread = share * (1 - share) / n + WILSON_Z**2 / (4 * n**2)
    half = WILSON_Z / (1 + WILSON_Z**2 / n) * math.sqrt(spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def describe_left_out_answers(counts: Sequence[AnswerCounts]) -> list[str]:
    """Return what it answered on sources that it was not trained on, in sentences."""
    sentences = []
    for label, images, verb in (
        (0, "photographs from {} that it was not trained on", "called generated"),
        (1, "images of {} that it was not trained on", "found"),
    ):
        rows = [row for row in counts if row.label == label]
        if rows:
            kind = "generators" if label else "sources"
            sentences.append(_describe_class(rows, images.format(f"{len(rows)} {kind}"), verb))
    return sentences or [
        "It was never measured on sources that it was not trained on: an opinion only."
    ]


def describe_precision(counts: Sequence[AnswerCounts], prevalence: float) -> list[str]:
    """Return how many alarms are right where this share of all images is generated.

    Both shares are those on sources left out; nothing is returned without one of them.
    """
    real, generated = ([row for row in counts if row.label == label] for label in (0, 1))
    if not real or not generated:
        return []
    found = pool_generated_share(generated)
    false_alarms = pool_generated_share(real)
    limits = compute_wilson_interval(false_alarms, sum(row.groups for row in real))
    right, least, most = (
        100 * found * prevalence / max(found * prevalence + share * (1 - prevalence), 1e-9)
        for share in (false_alarms, limits[1], limits[0])
    )
    verb = "is" if round(right) == 1 else "are"
    return [
        f"Where {describe_prevalence(prevalence)} is generated, about {right:.0f} of 100 alarms "
        f"{verb} right ({least:.0f} to {most:.0f}), if no source is one of its training."
    ]


def describe_prevalence(prevalence: float) -> str:
    """Return a prevalence in words, such as "1 in 100 images"."""
    return f"1 in {1 / prevalence:,.0f} images" if prevalence <= 0.5 else f"{prevalence:.0%}"


def pool_generated_share(rows: Sequence[AnswerCounts]) -> float:
    """Return the share of all images of these sources that is called generated."""
    return sum(row.generated for row in rows) / sum(row.images for row in rows)


def _describe_class(rows: Sequence[AnswerCounts], images: str, verb: str) -> str:
    generated, total = (sum(getattr(row, name) for row in rows) for name in ("generated", "images"))
    share = pool_generated_share(rows)
    low, high = compute_wilson_interval(share, sum(row.groups for row in rows))
    shares = sorted(row.generated_share for row in rows)
    return (
        f"Of {total:,} {images}, {generated:,} were {verb} ({share:.0%}; 95% interval "
        f"{low:.0%} to {high:.0%} for these; {shares[0]:.0%} to {shares[-1]:.0%} by source)."
    )
