"""Measure how often the 95% intervals hold the truth: `python -m benchmarks.coverage`.

Detectors and images are simulated, so the truth is known. A cell is the share of runs in which the
interval that the product makes holds it, and the mean width of that interval; without any interval
it is n/a. With 2,000 runs a coverage of .93 to .95 has a standard error of .005 to .006. The
command ends with code 1 if a cell is under .93.
"""

import functools
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tyro
from scipy.special import expit
from scipy.stats import norm

from benchmarks.measuring import render_markdown_table
from runtime import console
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.metrics import METRICS
from validation.metrics.paired_differences import estimate_paired_differences
from validation.metrics.scored_images import ScoredImages, WeightedImages

FULL_RUNS = 2000
RUNS_PER_TASK = 20
MIN_COVERAGE = 0.93

THRESHOLD = 0.4
POPULATION_IMAGES = 4000
"""Quantiles of each class's scores that stand for all images when the truth is computed."""

ESTIMATED_METRICS = tuple(
    name for name, metric in METRICS.items() if metric.interval and not metric.answer
)
"""The shares of the three answers are left out: they are made as TPR and FPR are."""

PAIRED_METRICS = ("ROC AUC", "balanced accuracy", "TPR", "average precision", "log loss")

SECOND_GAP = 0.8
"""Distance of the classes for the second detector of a pair, as a share of the first's."""

SCORE_CORRELATION = 0.7
"""Correlation of both detectors' scores of an image."""


@dataclass(frozen=True)
class GroupSizes:
    """Sizes of the groups of a class: all equal; 1, 3, 5, ...; or with a Pareto tail of exponent
    1.5, drawn anew in every run, the largest with at most an eighth of the images."""

    images: int
    kind: Literal["equal", "rising", "heavy-tailed"] = "equal"
    size: int = 1

    def draw(self, random: np.random.Generator) -> np.ndarray:
        if self.kind == "equal":
            return np.full(self.images // self.size, self.size)
        if self.kind == "rising":
            return np.arange(1, 2 * int(np.sqrt(self.images)), 2)
        sizes = np.minimum(np.ceil(random.pareto(1.5, self.images)), self.images // 8).astype(int)
        return sizes[: np.searchsorted(np.cumsum(sizes), self.images) + 1]


@dataclass(frozen=True, kw_only=True)
class Design:
    """Images and a detector whose scores are normal in each class, with one standard deviation.

    Attributes:
        auc: true ROC AUC.
        groups: sizes of the groups of photographs, and of generated images.
        correlations: of the scores of two images of a group, by class.
        overconfidence: factor by which the log-odds are too large; at 1 they are calibrated.
        paired: whether a second, worse detector scores the same images.
    """

    name: str
    auc: float
    groups: tuple[GroupSizes, GroupSizes]
    correlations: tuple[float, float] = (0.5, 0.5)
    overconfidence: float = 1.0
    paired: bool = False

    @property
    def gaps(self) -> tuple[float, ...]:
        """Distances between the classes, of each detector."""
        gap = float(np.sqrt(2) * norm.ppf(self.auc))
        return (gap, SECOND_GAP * gap) if self.paired else (gap,)

    def to_probabilities(self, scores: np.ndarray, gap: float) -> np.ndarray:
        return expit(self.overconfidence * gap * scores)


def list_designs() -> list[Design]:
    """List the designs of the review of verdicts, and harder ones."""
    middle, high, highest = 0.855, 0.972, 0.996
    designs = [
        Design(
            name=f"{real + generated} images",
            auc=auc,
            groups=(GroupSizes(real), GroupSizes(generated)),
            paired=real == 36,
        )
        for real, generated, aucs in (
            (15, 15, (middle, high, highest)),
            (20, 20, (middle, high, highest)),
            (36, 29, (middle, high, highest)),
            (100, 100, (highest,)),
            (250, 250, (high,)),
            (200, 30, (high,)),
            (300, 100, (high,)),
        )
        for auc in aucs
    ]
    designs += [
        Design(
            name=f"{2 * images} images in groups of 5",
            auc=auc,
            groups=(GroupSizes(images, size=5),) * 2,
            paired=auc == high,
        )
        for images, auc in ((30, high), (100, middle), (100, high), (100, highest), (250, high))
    ]
    designs += [
        Design(
            name="500 images in heavy-tailed groups",
            auc=auc,
            groups=(GroupSizes(250, "heavy-tailed"),) * 2,
        )
        for auc in (middle, high, highest)
    ]
    return designs + list_lopsided_designs()


def list_lopsided_designs() -> list[Design]:
    """List designs whose classes differ in their groups, and one with wrong probabilities."""
    high, known = 0.972, 0.946
    return [
        Design(
            name="100 photographs, generated images in 20 groups of 1 to 39",
            auc=high,
            groups=(GroupSizes(100), GroupSizes(400, "rising")),
        ),
        Design(
            name="250 photographs in heavy-tailed groups, 60 generated images",
            auc=high,
            groups=(GroupSizes(250, "heavy-tailed"), GroupSizes(60)),
        ),
        Design(
            name="200 photographs, 25 generators of 20 images",
            auc=known,
            groups=(GroupSizes(200), GroupSizes(500, size=20)),
            correlations=(0, 0.3),
        ),
        Design(
            name="300 photographs, 47 generators of 10 images",
            auc=known,
            groups=(GroupSizes(300), GroupSizes(470, size=10)),
            correlations=(0, 0.2),
        ),
        Design(
            name="65 images, log-odds three times too large",
            auc=high,
            groups=(GroupSizes(36), GroupSizes(29)),
            overconfidence=3,
        ),
    ]


@dataclass
class Tally:
    """Counts of one metric in one design.

    Attributes:
        intervals: number of intervals.
        covering: number of them that hold the truth.
        width: sum of their widths.
    """

    intervals: int = 0
    covering: int = 0
    width: float = 0.0

    def add(self, estimate: Estimate, truth: float) -> None:
        if estimate.known:
            self.intervals += 1
            self.covering += estimate.low - 1e-9 <= truth <= estimate.high + 1e-9
            self.width += estimate.high - estimate.low

    def merge(self, other: "Tally") -> None:
        self.intervals += other.intervals
        self.covering += other.covering
        self.width += other.width

    @property
    def coverage(self) -> float:
        return self.covering / self.intervals if self.intervals else np.nan

    def __str__(self) -> str:
        if not self.intervals:
            return "n/a"
        return f"{self.coverage:.3f}, {self.width / self.intervals:.3f}".replace("0.", ".")


Tallies = dict[str, Tally]


def simulate_runs(design: Design, seeds: Iterable[Sequence[int]]) -> Tallies:
    """Simulate a run for each seed, and count the intervals of every metric."""
    names = [*ESTIMATED_METRICS, *(map(name_difference, PAIRED_METRICS) if design.paired else ())]
    tallies = {name: Tally() for name in names}
    for seed in seeds:
        first, *others = draw_detectors(design, np.random.default_rng(seed))
        truths = [compute_truth(design, gap, float(first.labels.mean())) for gap in design.gaps]
        for name, estimate in estimate_metrics(first, ESTIMATED_METRICS, seed=seed[-1]).items():
            tallies[name].add(estimate, truths[0][name])
        for second in others:
            pairs = estimate_paired_differences(first, second, PAIRED_METRICS, seed=seed[-1])
            for name, pair in pairs.items():
                truth = truths[0][name] - truths[1][name]
                tallies[name_difference(name)].add(pair.difference, truth)
    return tallies


def name_difference(metric: str) -> str:
    return f"difference: {metric}"


def draw_detectors(design: Design, random: np.random.Generator) -> list[ScoredImages]:
    """Draw images and groups, and score the images with each detector of the design."""
    sizes = [groups.draw(random) for groups in design.groups]
    labels = np.repeat([0, 1], [part.sum() for part in sizes])
    groups = np.repeat(np.arange(sum(map(len, sizes))), np.concatenate(sizes))
    correlations = np.array(design.correlations)[labels]
    noise = [
        np.sqrt(correlations) * random.normal(size=groups[-1] + 1)[groups]
        + np.sqrt(1 - correlations) * random.normal(size=len(labels))
        for _ in design.gaps
    ]
    if design.paired:
        own = np.sqrt(1 - SCORE_CORRELATION**2)
        noise[1] = SCORE_CORRELATION * noise[0] + own * noise[1]
    return [
        ScoredImages(
            design.to_probabilities(part + gap * (labels - 0.5), gap), labels, groups, THRESHOLD
        )
        for part, gap in zip(noise, design.gaps, strict=True)
    ]


@functools.cache
def compute_truth(design: Design, gap: float, generated: float) -> dict[str, float]:
    """Compute the metrics of all images where this share is generated."""
    quantiles = norm.ppf((np.arange(POPULATION_IMAGES) + 0.5) / POPULATION_IMAGES)
    scores = np.concatenate([quantiles - gap / 2, quantiles + gap / 2])
    population_labels = np.repeat([0, 1], POPULATION_IMAGES)
    population = ScoredImages(
        design.to_probabilities(scores, gap), population_labels, np.arange(len(scores)), THRESHOLD
    )
    weights = np.where(population_labels == 1, generated, 1 - generated)[None]
    sample = WeightedImages(population, weights)
    return {name: float(METRICS[name].compute(sample)[0]) for name in ESTIMATED_METRICS}


def measure_design(
    design: Design, runs: int, seed: int, pool: ProcessPoolExecutor | None = None
) -> Tallies:
    """Simulate a design, in the processes of a pool if there is one."""
    tasks = [
        [(seed, run) for run in range(start, min(start + RUNS_PER_TASK, runs))]
        for start in range(0, runs, RUNS_PER_TASK)
    ]
    run_all = pool.map if pool else map
    total: Tallies = {}
    for tallies in run_all(simulate_runs, [design] * len(tasks), tasks):
        for name, tally in tallies.items():
            total.setdefault(name, Tally()).merge(tally)
    return total


def main(
    runs: int = FULL_RUNS, processes: int = os.cpu_count() or 1, seed: int = 0, only: str = ""
) -> int:
    """Print coverage and mean width of every interval; exit with 1 if a coverage is under .93.

    Args:
        runs: simulated evaluations of each design.
        processes: number of processes.
        seed: of the simulation.
        only: simulate designs with this in their name.
    """
    start, columns, failures = time.monotonic(), [], []
    names = [*ESTIMATED_METRICS, *map(name_difference, PAIRED_METRICS)]
    with ProcessPoolExecutor(processes) as pool:
        for design in list_designs():
            title = f"{design.name}, AUC {design.auc:.3f}".replace("0.", ".")
            if only not in title:
                continue
            tallies = measure_design(design, runs, seed, pool)
            columns.append([title, *(str(tallies.get(name, "")) for name in names)])
            failures += [
                f"{title}: {name} {tally.coverage:.3f}"
                for name, tally in tallies.items()
                if tally.coverage < MIN_COVERAGE
            ]
            console.print_message(f"{(time.monotonic() - start) / 60:.1f} min: {columns[-1]}")
    print(render_markdown_table(("coverage, mean width", *names), columns))
    for failure in failures:
        console.print_warning(f"Under {MIN_COVERAGE}: {failure}")
    return int(bool(failures))


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main))
