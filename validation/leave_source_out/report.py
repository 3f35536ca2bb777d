"""Print the figures of sources left out, and write them as JSON and as a Markdown table."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_collection.dataset import manifest
from runtime import atomic_files, console, library_versions, options
from runtime.terminal.counting import format_count
from training.dataset import Dataset
from validation import plain_json
from validation.leave_source_out.named_generators import describe_named, list_named_rows
from validation.leave_source_out.results import (
    REPORTED_TARGETS,
    SourceFigures,
    SourceScores,
    compute_figures,
    summarise,
)
from validation.leave_source_out.settings import LeaveSourceOutSettings

LEAVE_SOURCE_OUT_FOLDER = "leave_source_out"
"""Folder of a data set that holds the scores and the report."""

JSON_FILE, TABLE_FILE = "leave_source_out.json", "leave_source_out.md"

HISTORY_COLUMN = "AUC with the other class's history"

COLUMNS = (
    "left out",
    "images",
    "AUC",
    *(f"called generated, {target:.0%} cut" for target in REPORTED_TARGETS),
    "AUC of known sources",
)


def describe_scores(scores: SourceScores) -> str:
    """Return one line on a source that was just scored."""
    figures = compute_figures(scores)
    return (
        f"without {scores.source}: AUC {figures.auc.rounded_text}, called generated "
        f"{figures.generated_shares[0].rounded_text} at the {REPORTED_TARGETS[0]:.0%} cut "
        f"({scores.seconds:.0f} s)"
    )


def write_report(
    settings: LeaveSourceOutSettings, data: Dataset, scores: Sequence[SourceScores]
) -> None:
    """Write leave_source_out.json and leave_source_out.md into the data set's folder."""
    folder = data.folder / LEAVE_SOURCE_OUT_FOLDER
    rows = [compute_figures(row) for row in scores]
    command = options.format_command_line("python -m validation leave-source-out", settings)
    content = {
        "dataset": data.folder.name,
        "fingerprint": manifest.compute_fingerprint(data.records),
        "command": command,
        "targets": REPORTED_TARGETS,
        "versions": library_versions.get_library_versions(),
        "summary": summarise(rows),
        "sources": rows,
        "heads": {row.source: row.heads for row in scores},
        "seconds": sum(row.seconds for row in scores),
    }
    plain_json.write_plain_json(folder / JSON_FILE, content)
    lines = [
        f"    {command}",
        "",
        *_render_table(_list_rows(rows)),
        "",
        *describe_summary(rows),
        "",
    ]
    if named := list(list_named_rows(rows)):
        lines += [*_render_table(named), "", *describe_named(rows), ""]
    atomic_files.write_atomically(folder / TABLE_FILE, "\n".join(lines).encode(errors="replace"))


def print_report(scores: Sequence[SourceScores]) -> None:
    """Print a row for each source left out, then the means."""
    rows = [compute_figures(row) for row in scores]
    columns, *cells = _list_rows(rows)
    console.print_table(
        "Each source left out of training, and the hold-out of the known sources",
        columns,
        cells,
    )
    for sentence in describe_summary(rows):
        console.print_message(sentence)
    if named := list(list_named_rows(rows)):
        columns, *cells = named
        console.print_table("Generators left out, and the known one that was named", columns, cells)
        for sentence in describe_named(rows):
            console.print_message(sentence)


def _render_table(rows: Iterable[list[str]]) -> Iterator[str]:
    columns, *others = rows
    for cells in (columns, ["---"] * len(columns), *others):
        yield f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _list_rows(rows: Sequence[SourceFigures]) -> Iterator[list[str]]:
    """Yield the names of the columns, then the cells of every row."""
    has_history = not all(np.isnan(row.reprocessed_auc.value) for row in rows)
    yield [*COLUMNS, *([HISTORY_COLUMN] if has_history else [])]
    for row in rows:
        history = [row.reprocessed_auc.rounded_text] if has_history else []
        yield [*_list_cells(row), *history]


def _list_cells(row: SourceFigures) -> list[str]:
    kind = "generator" if row.label else "photographs"
    return [
        f"{console.sanitise_line(row.source)} ({kind})",
        f"{row.images:,} in {format_count(row.groups, 'group')}",
        row.auc.rounded_text,
        *(share.rounded_text for share in row.generated_shares),
        row.known_auc.rounded_text,
    ]


def describe_summary(rows: Sequence[SourceFigures]) -> Iterator[str]:
    """Yield the means over sources in sentences."""
    summary = summarise(rows)
    yield f"On the hold-out of known sources, the mean AUC is {summary.known_auc:.3f}."
    if any(row.label for row in rows):
        found = _join_by_target(summary.found)
        yield (
            f"On generators left out, the mean AUC is {summary.generator_auc:.3f}, the worst "
            f"{summary.worst_generator_auc:.2f}; found are {found}."
        )
    if not np.isnan(summary.reprocessed_auc):
        yield (
            "With the sizes and JPEG qualities of photographs' files, the mean AUC of generators "
            f"left out is {summary.reprocessed_auc:.3f}."
        )
    if any(not row.label for row in rows):
        yield (
            "Of photographs of sources left out, called generated are in the mean "
            f"{_join_by_target(summary.false_alarms)}; of the worst source "
            f"{_join_by_target(summary.worst_false_alarms)}."
        )


def _join_by_target(shares: Sequence[float]) -> str:
    return " and ".join(
        f"{'n/a' if np.isnan(share) else f'{share:.1%}'} at the {target:.0%} cut"
        for share, target in zip(shares, REPORTED_TARGETS, strict=True)
    )
