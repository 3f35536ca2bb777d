"""cross_generator.html: one self-contained page.

It loads nothing over the network and runs no script. Names of sources and files are escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_collection.dataset.manifest import ImageClass
from runtime import html_pages
from training.cuts.verdicts import ABSTAIN
from validation.cross_generator import results
from validation.cross_generator.head_results import FalseAlarms, GeneratorResult, HeadOutcome
from validation.cross_generator.results import CrossGeneratorResult
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import BOOTSTRAP_REPLICATES, CONFIDENCE_LEVEL

CROSS_GENERATOR_TEMPLATE = "page.html.jinja"

MIN_CELL_IMAGES, MIN_CELL_GROUPS = 50, 20
"""With fewer images or groups a figure is printed in italics: its interval says little."""

Tone = Literal["high", "low"]

MAX_CELL_OPACITY = 0.62
"""Opacity of the strongest colour; text stays readable on white and on black."""


@dataclass(frozen=True, kw_only=True)
class PageCell:
    """One figure on the page.

    Attributes:
        name: the tested source.
        label: class of the tested source.
        tone: "high" (green) or "low" (purple).
        opacity: opacity of that colour.
        seen: whether the head was trained on the source.
        small_test: whether there are too few images for a reliable figure.
    """

    name: str
    label: ImageClass
    value: str
    interval: str
    tone: Tone
    opacity: float
    seen: bool
    small_test: bool
    images: int
    groups: int
    left_out: int


@dataclass(frozen=True)
class HeadRow:
    """One head: its name, its training images, and its figures."""

    name: str
    training: str
    cells: list[PageCell]
    false_alarms: list[PageCell]


@dataclass(frozen=True, kw_only=True)
class LeftOutRow:
    """One result of a head with a source left out.

    Attributes:
        tested_on: tested sources, in words.
        photographs: photographs behind the AUC, in words.
        false_alarms: false alarms on photographs of each real source.
    """

    name: str
    tested_on: str
    photographs: str
    auc: PageCell
    tpr: PageCell
    false_alarms: list[PageCell]


@dataclass(frozen=True, kw_only=True)
class ConfidentErrorsRow:
    """Confident errors on a source never seen; attributes as in `head_results.ConfidentErrors`."""

    name: str
    tested_on: str
    wrong: PageCell
    in_distribution: PageCell
    out_of_distribution: PageCell


def render_cross_generator_page(result: CrossGeneratorResult) -> str:
    summary = results.summarise_outcomes(result.rows)
    n_photographs = result.rows[0].threshold_photographs
    return html_pages.load_template(Path(__file__).parent, CROSS_GENERATOR_TEMPLATE).render(
        result=result,
        abstain=ABSTAIN,
        name=result.data.folder.absolute().name,
        summary=summary,
        format_number=results.format_number,
        describe_reprocessed_images=results.describe_reprocessed_images,
        sentences=list(results.describe_findings(result)),
        sources=results.count_images_per_source(result),
        auc=[
            _build_head_row(row, [_build_auc_cell(cell) for cell in row.cells])
            for row in result.rows
        ],
        rates=[
            _build_head_row(row, [_build_tpr_cell(cell) for cell in row.cells])
            for row in result.rows
        ],
        left_out=[row for outcome in result.left_out for row in _build_left_out_rows(outcome)],
        confident_errors=[
            row for outcome in result.left_out for row in _build_confident_errors_rows(outcome)
        ],
        content=results.build_cross_generator_json(result),
        n_photographs=n_photographs,
        n_allowed_alarms=math.floor(result.settings.target_fpr * n_photographs),
        head=results.describe_head(result.settings),
        min_test_size=(MIN_CELL_IMAGES, MIN_CELL_GROUPS),
        confidence=CONFIDENCE_LEVEL,
        replicates=BOOTSTRAP_REPLICATES,
    )


def _build_head_row(row: HeadOutcome, cells: list[PageCell]) -> HeadRow:
    counts = row.training_images
    return HeadRow(
        name=row.name,
        training=f"{counts['generated']:,} generated, {counts['real']:,} real",
        cells=cells,
        false_alarms=[_build_false_alarm_cell(alarms) for alarms in row.false_alarms],
    )


def _build_cell(
    name: str,
    estimate: Estimate,
    strength: float,
    tone: Tone,
    result: GeneratorResult | FalseAlarms,
) -> PageCell:
    return PageCell(
        name=name,
        label="real" if isinstance(result, FalseAlarms) else "generated",
        value=results.format_number(estimate.value),
        interval=f"{estimate.low:.2f} to {estimate.high:.2f}" if estimate.known else "",
        tone=tone,
        opacity=0.0 if math.isnan(strength) else round(MAX_CELL_OPACITY * strength, 3),
        seen=result.seen,
        small_test=result.images < MIN_CELL_IMAGES or result.groups < MIN_CELL_GROUPS,
        images=result.images,
        groups=result.groups,
        left_out=result.left_out,
    )


def _build_auc_cell(cell: GeneratorResult) -> PageCell:
    """Colour an AUC: white at .5 (chance level), green above, purple below."""
    value = cell.auc.value
    return _build_cell(
        _format_generators(cell.tested_on),
        cell.auc,
        abs(value - 0.5) * 2,
        "high" if value >= 0.5 else "low",
        cell,
    )


def _build_tpr_cell(cell: GeneratorResult) -> PageCell:
    return _build_cell(_format_generators(cell.tested_on), cell.tpr, cell.tpr.value, "high", cell)


def _build_false_alarm_cell(alarms: FalseAlarms) -> PageCell:
    return _build_cell(alarms.source, alarms.fpr, alarms.fpr.value, "low", alarms)


def _format_generators(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"all {len(names)} generators"


def _build_left_out_rows(row: HeadOutcome) -> list[LeftOutRow]:
    false_alarms = [_build_false_alarm_cell(alarms) for alarms in row.false_alarms]
    kind = "of the hold-out" if all(cell.seen for cell in false_alarms) else "never seen"
    return [
        LeftOutRow(
            name=row.name,
            tested_on=_format_generators(cell.tested_on),
            photographs=f"{cell.photographs:,} photographs {kind}",
            auc=_build_auc_cell(cell),
            tpr=_build_tpr_cell(cell),
            false_alarms=false_alarms,
        )
        for cell in row.cells
    ]


def _build_confident_errors_rows(row: HeadOutcome) -> list[ConfidentErrorsRow]:
    tests = [(_format_generators(cell.tested_on), cell) for cell in row.cells if not cell.seen]
    tests += [(alarms.source, alarms) for alarms in row.false_alarms if not alarms.seen]

    def build_cell(name: str, result: GeneratorResult | FalseAlarms, share: Estimate) -> PageCell:
        return _build_cell(name, share, share.value, "low", result)

    return [
        ConfidentErrorsRow(
            name=row.name,
            tested_on=name,
            wrong=build_cell(name, result, result.confident_errors.wrong),
            in_distribution=build_cell(name, result, result.confident_errors.wrong_in_distribution),
            out_of_distribution=build_cell(
                name, result, result.confident_errors.out_of_distribution
            ),
        )
        for name, result in tests
    ]
