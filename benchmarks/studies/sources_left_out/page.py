"""Render docs/sources-left-out.md, the page of the study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import measuring
from training.detectors.card_fields import InferenceCost
from validation.leave_source_out.results import (
    REPORTED_TARGETS,
    SourceFigures,
    SourceScores,
    compute_figures,
)
from validation.metrics.estimates import Estimate

INTRODUCTION_TEXT = """# Sources left out

    {command}

wrote this page. A row trains a detector without each source in turn, photographs included, with
the options of `python -m training` that its name says, and tests it on that source; `python -m
validation leave-source-out` does so for one way. The AUC of a generator is against the photographs
of the hold-out. In a mean every source weighs the same; its 95% interval is for images like those
of these sources, not for other sources. Cuts are those that training set without the source; a mean
of two detectors has none. Where one detector is chosen from two bases, milliseconds and megabytes
are those of the dearer one; where it spans both, their sums. A picture is judged at two qualities,
and milliseconds are for one of them, on the machine that wrote the page.
"""

CROP_TITLES = {"centre": "Centre squares", "face": "Face crops"}


@dataclass(frozen=True, kw_only=True)
class MeasuredWay:
    """The scores of one way to train, on every source left out.

    Attributes:
        cost: of the base.
    """

    name: str
    scores: Sequence[SourceScores]
    cost: InferenceCost


def render_page(command: str, by_crop: Mapping[str, Sequence[MeasuredWay]]) -> str:
    """Return the page; `by_crop` has the ways measured on each data set."""
    parts = [INTRODUCTION_TEXT.format(command=command)]
    for crop, ways in by_crop.items():
        figures = {way.name: [compute_figures(scores) for scores in way.scores] for way in ways}
        parts += [f"## {CROP_TITLES[crop]}\n"]
        parts += [_render_means(ways, figures)]
        parts += ["AUC of each source left out:\n"]
        parts += [_render_sources(figures)]
    return "\n".join(parts)


def _render_means(
    ways: Sequence[MeasuredWay], figures: Mapping[str, Sequence[SourceFigures]]
) -> str:
    columns = ["trained as", "AUC of generators left out", "worst", "known AUC"]
    columns += [f"generators found, {target:.0%} cut" for target in REPORTED_TARGETS]
    for target in REPORTED_TARGETS:
        columns += [f"photographs called generated, {target:.0%} cut", "worst"]
    columns += ["ms", "MB"]
    lines = []
    for way in ways:
        rows = figures[way.name]
        generators = [row for row in rows if row.label]
        photographs = [row for row in rows if not row.label]
        aucs = [row.auc for row in generators]
        cells = [way.name, _format(average_estimates(aucs, shared=True))]
        cells += [f"{min(auc.value for auc in aucs):.2f}"]
        cells += [f"{np.mean([row.known_auc.value for row in rows]):.3f}"]
        cells += [_format(average_estimates(shares)) for shares in _list_shares(generators)]
        for shares in _list_shares(photographs):
            cells += [_format(average_estimates(shares)), _format_worst(shares)]
        lines.append([*cells, f"{way.cost.milliseconds:.0f}", f"{way.cost.megabytes:.0f}"])
    return measuring.render_markdown_table(columns, lines)


def _render_sources(figures: Mapping[str, Sequence[SourceFigures]]) -> str:
    lines = [
        [
            f"{rows[0].source} ({'generator' if rows[0].label else 'photographs'})",
            *(row.auc.rounded_text for row in rows),
        ]
        for rows in zip(*figures.values(), strict=True)
    ]
    return measuring.render_markdown_table(["left out", *figures], lines)


def _list_shares(rows: Sequence[SourceFigures]) -> list[list[Estimate]]:
    """Return the shares called generated of these sources, by target."""
    return [list(shares) for shares in zip(*(row.generated_shares for row in rows), strict=True)]


def average_estimates(estimates: Sequence[Estimate], shared: bool = False) -> Estimate:
    """Return the mean with its interval (MOVER: Zou and Donner 2008, Statistics in Medicine 27).

    Args:
        shared: whether the estimates share images; they then count as fully dependent, which is the
            widest interval. Otherwise they are independent.
    """
    values, lows, highs = (
        np.array([getattr(estimate, name) for estimate in estimates])
        for name in ("value", "low", "high")
    )
    value = float(values.mean())
    below, above = (
        float(np.mean(distances) if shared else np.linalg.norm(distances) / len(values))
        for distances in (values - lows, highs - values)
    )
    return Estimate(value, value - below, value + above)


def _format(estimate: Estimate) -> str:
    if np.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.3f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _format_worst(estimates: Sequence[Estimate]) -> str:
    values = [estimate.value for estimate in estimates]
    return "n/a" if np.isnan(values).any() else f"{max(values):.3f}"
