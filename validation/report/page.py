"""index.html: the report as one page, in the order of a paper's results."""

import math
from pathlib import Path

from data_collection.dataset import near_duplicates
from data_collection.dataset.manifest import LABELS
from data_collection.stored_datasets.corrections import describe_change
from runtime import atomic_files, html_pages
from training.cuts.verdicts import ABSTAIN
from validation import plain_json
from validation.explanations.heat_maps import (
    MAX_RANDOMISED_CORRELATION,
    MIN_CHECKED_IMAGES,
    MIN_MASKING_WIN_RATE,
)
from validation.gaps.gaps import MIN_GAP_GROUPS
from validation.gaps.sentences import describe_gaps
from validation.metrics.breakdowns import MIN_IMAGES_PER_SUBGROUP
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import (
    BOOTSTRAP_REPLICATES,
    CONFIDENCE_LEVEL,
    MIN_INTERVAL_GROUPS,
)
from validation.metrics.metrics import METRICS
from validation.metrics.reliability import compute_chance_calibration_error
from validation.regression_set.sentences import describe_rescored
from validation.report.corrections import describe_corrections, list_correct_commands
from validation.report.first_screen import build_tiles, choose_state
from validation.report.report import ValidationReport, build_metrics_json
from validation.report.report_files import METRICS_FILE, PAGE_FILE
from validation.sharing import sentences

REPORT_TEMPLATE = "page.html.jinja"

MAX_LISTED_CORRECTIONS = 20

MAX_CAME_BACK_ROWS = 200
"""Pictures that came back, in the table of every one."""


def render_report_page(report: ValidationReport) -> str:
    most_wrong = [panel for panels in report.most_wrong.values() for panel in panels]
    return html_pages.load_template(
        Path(__file__).parent,
        REPORT_TEMPLATE,
        number=_format_value,
        percent=_format_percent,
        percent_interval=_format_percent_interval,
    ).render(
        report=report,
        card=report.card,
        data=report.data,
        labels=LABELS,
        abstain=ABSTAIN,
        metrics=METRICS,
        describe_sharing=sentences.describe_sharing,
        list_sizes=sentences.list_sizes,
        format_share=sentences.format_share,
        sharing_directions=sentences.DIRECTIONS,
        confusion=report.scored.confusion_counts,
        min_gap_groups=MIN_GAP_GROUPS,
        describe_gaps=describe_gaps,
        describe_rescored=describe_rescored,
        describe_change=describe_change,
        describe_corrections=describe_corrections,
        max_corrections=MAX_LISTED_CORRECTIONS,
        correct_commands=list_correct_commands(report.data, [panel.id for panel in most_wrong]),
        has_similar=any(panel.similar for panel in most_wrong),
        min_images_per_subgroup=MIN_IMAGES_PER_SUBGROUP,
        confidence=CONFIDENCE_LEVEL,
        replicates=BOOTSTRAP_REPLICATES,
        min_interval_groups=MIN_INTERVAL_GROUPS,
        min_masking_win_rate=MIN_MASKING_WIN_RATE,
        min_checked_images=MIN_CHECKED_IMAGES,
        chance_ece=compute_chance_calibration_error(report.scored),
        max_randomised_correlation=MAX_RANDOMISED_CORRELATION,
        near_duplicate_definition=near_duplicates.DEFINITION,
        max_came_back=MAX_CAME_BACK_ROWS,
        figures={figure.name: figure for figure in report.figures},
        tiles=build_tiles(report.results[0], report.abstentions[-1]),
        state=choose_state(report.card.banner, report.results[0], report.comparisons),
    )


def _format_value(estimate: Estimate) -> str:
    return "n/a" if math.isnan(estimate.value) else f"{estimate.value:.3f}"


def _format_percent(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.1%}"


def _format_percent_interval(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.0%}" + (
        f" ({estimate.low:.0%} to {estimate.high:.0%})" if estimate.known else ""
    )


def write_report(report: ValidationReport, folder: Path) -> Path:
    """Write the page and metrics.json; return the page's path."""
    plain_json.write_plain_json(folder / METRICS_FILE, build_metrics_json(report))
    # A file name that is not UTF-8 holds surrogates, which cannot be encoded.
    atomic_files.write_atomically(
        folder / PAGE_FILE, render_report_page(report).encode(errors="replace")
    )
    return folder / PAGE_FILE
