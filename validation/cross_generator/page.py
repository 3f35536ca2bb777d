"""cross_generator.html: one self-contained page.

It loads nothing over the network and runs no script. Names of sources and files are escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime import html_pages
from validation.cross_generator import results
from validation.cross_generator.head_results import FalseAlarms, GeneratorResult, HeadOutcome
from validation.cross_generator.results import CrossGeneratorResult
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import BOOTSTRAP_REPLICATES, CONFIDENCE_LEVEL

CROSS_GENERATOR_TEMPLATE = "page.html.jinja"

GREY_BELOW_IMAGES, GREY_BELOW_GROUPS = 50, 20
"""With fewer images or groups a figure is printed in grey: its interval says little."""

MAX_CELL_OPACITY = 0.62
"""Opacity of the strongest colour; text stays readable on white and on black."""


@dataclass(frozen=True)
class PageCell:
    """One figure on the page.

    Attributes:
        name: the tested source.
        label: "generated" or "real".
        tone: "high" or "low", the hue of the heat.
        heat: its opacity.
        seen: whether the head was trained on it.
        few: whether it rests on too few images.
    """

    name: str
    label: str
    value: str
    interval: str
    tone: str
    heat: float
    seen: bool
    few: bool
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


@dataclass(frozen=True)
class LeftOutRow:
    """One result of a head with a source left out.

    Attributes:
        tests: tested sources, in words.
        against: photographs behind the AUC, in words.
        false_alarms: false alarms on photographs of each real source.
    """

    name: str
    tests: str
    against: str
    auc: PageCell
    tpr: PageCell
    false_alarms: list[PageCell]


@dataclass(frozen=True)
class ConfidentErrorsRow:
    """Confident errors on a source never seen; attributes as in `outcomes.ConfidentErrors`."""

    name: str
    tests: str
    wrong: PageCell
    in_distribution: PageCell
    out_of_distribution: PageCell


def render_cross_generator_page(result: CrossGeneratorResult) -> str:
    summary = results.summarise_outcomes(result.rows)
    return html_pages.load_template(Path(__file__).parent, CROSS_GENERATOR_TEMPLATE).render(
        result=result,
        name=result.data.folder.absolute().name,
        summary=summary,
        shown=results.format_number,
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
        left_out=[line for row in result.left_out for line in _build_left_out_rows(row)],
        confident_errors=[
            line for row in result.left_out for line in _build_confident_errors_rows(row)
        ],
        facts=results.build_cross_generator_json(result),
        photographs=result.rows[0].threshold_photographs,
        allowed=math.floor(result.settings.target_fpr * result.rows[0].threshold_photographs),
        head=results.describe_head(result.settings),
        few=(GREY_BELOW_IMAGES, GREY_BELOW_GROUPS),
        confidence=CONFIDENCE_LEVEL,
        replicates=BOOTSTRAP_REPLICATES,
    )


def _build_head_row(row: HeadOutcome, cells: list[PageCell]) -> HeadRow:
    counts = row.training_images
    training = f"{counts['generated']:,} generated, {counts['real']:,} real"
    return HeadRow(
        row.name, training, cells, [_build_false_alarm_cell(each) for each in row.false_alarms]
    )


def _build_cell(
    name: str, estimate: Estimate, strength: float, tone: str, part: GeneratorResult | FalseAlarms
) -> PageCell:
    return PageCell(
        name,
        "real" if isinstance(part, FalseAlarms) else "generated",
        results.format_number(estimate.value),
        f"{estimate.low:.2f} to {estimate.high:.2f}" if estimate.known else "",
        tone,
        0.0 if math.isnan(strength) else round(MAX_CELL_OPACITY * strength, 3),
        part.seen,
        part.images < GREY_BELOW_IMAGES or part.groups < GREY_BELOW_GROUPS,
        part.images,
        part.groups,
        part.left_out,
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
    alarms = [_build_false_alarm_cell(each) for each in row.false_alarms]
    kind = "of the hold-out" if all(each.seen for each in alarms) else "never seen"
    return [
        LeftOutRow(
            row.name,
            _format_generators(cell.tested_on),
            f"{cell.photographs:,} photographs {kind}",
            _build_auc_cell(cell),
            _build_tpr_cell(cell),
            alarms,
        )
        for cell in row.cells
    ]


def _build_confident_errors_rows(row: HeadOutcome) -> list[ConfidentErrorsRow]:
    tests = [(_format_generators(cell.tested_on), cell) for cell in row.cells if not cell.seen]
    tests += [(alarms.source, alarms) for alarms in row.false_alarms if not alarms.seen]

    def square(name: str, part: GeneratorResult | FalseAlarms, share: Estimate) -> PageCell:
        return _build_cell(name, share, share.value, "low", part)

    return [
        ConfidentErrorsRow(
            row.name,
            name,
            *(
                square(name, part, each)
                for each in (
                    part.confident_errors.wrong,
                    part.confident_errors.wrong_in_distribution,
                    part.confident_errors.out_of_distribution,
                )
            ),
        )
        for name, part in tests
    ]
