"""Write cross_generator.json and .html, log a heat map to TensorBoard, print tables."""

from collections.abc import Sequence
from pathlib import Path

from runtime import atomic_files, console
from training import tensorboard_logs
from validation import plain_json
from validation.cross_generator import figures, page, results
from validation.cross_generator.head_results import FalseAlarms, GeneratorResult, HeadOutcome
from validation.cross_generator.results import CrossGeneratorResult

CROSS_GENERATOR_FOLDER = "cross_generator"
"""Folder of a data set that holds the report."""

JSON_FILE, PAGE_FILE = "cross_generator.json", "cross_generator.html"
TRAINED_ON_FOOTNOTE = "* trained on it: hold-out only"


def write_cross_generator_report(result: CrossGeneratorResult, folder: Path) -> None:
    plain_json.write_plain_json(folder / JSON_FILE, results.build_cross_generator_json(result))
    atomic_files.write_atomically(
        folder / PAGE_FILE, page.render_cross_generator_page(result).encode(errors="replace")
    )


def log_cross_generator_report(result: CrossGeneratorResult, folder: Path) -> None:
    summary = results.summarise_outcomes(result.rows)
    with tensorboard_logs.open_run_log(folder) as run:
        run.add_scalars(
            {
                "cross_generator/mean AUC, diagonal": summary.diagonal,
                "cross_generator/mean AUC, off the diagonal": summary.off_diagonal,
            }
        )
        run.add_image(
            "cross_generator/AUC",
            tensorboard_logs.decode_image(figures.plot_auc_heat_map(result.rows)),
        )
        run.add_text("cross_generator", "\n\n".join(results.describe_findings(result)))


def print_cross_generator_report(result: CrossGeneratorResult) -> None:
    columns = [" and ".join(cell.tested_on) for cell in result.rows[0].cells]
    console.print_table(
        "AUC with its 95% interval: trained on the row, tested on the column "
        f"({TRAINED_ON_FOOTNOTE})",
        ["trained on", *columns],
        [
            [row.name, *(f"{cell.auc}{_format_trained_on_mark(cell)}" for cell in row.cells)]
            for row in result.rows
        ],
    )
    print_rates(
        f"At each row's threshold ({result.settings.target_fpr:.0%} of the photographs that set "
        "it)",
        result.rows,
    )
    if result.left_out:
        print_left_out(result.left_out)
        print_confident_errors(result.left_out)
        if result.settings.history_control:
            print_history_control(result.left_out)
    for sentence in results.describe_findings(result):
        console.out.print(console.sanitise_text(sentence), markup=False)
    if result.banner:
        console.print_warning(result.banner)


def print_rates(title: str, rows: Sequence[HeadOutcome]) -> None:
    """Print the share called generated, of every generated and every real source."""
    columns = [
        *(" and ".join(cell.tested_on) for cell in rows[0].cells),
        *(f"false: {alarms.source}" for alarms in rows[0].false_alarms),
    ]
    shares = [
        [
            row.name,
            *(cell.tpr.rounded_text for cell in row.cells),
            *(alarms.fpr.rounded_text for alarms in row.false_alarms),
        ]
        for row in rows
    ]
    console.print_table(title, ["trained on", *columns], shares)


def print_left_out(rows: Sequence[HeadOutcome]) -> None:
    table = [
        [
            row.name,
            cell.tested_on[0]
            if len(cell.tested_on) == 1
            else f"all {len(cell.tested_on)} generators{_format_trained_on_mark(cell)}",
            cell.auc,
            cell.tpr.rounded_text,
            *(
                f"{alarms.fpr.rounded_text}{_format_trained_on_mark(alarms)}"
                for alarms in row.false_alarms
            ),
        ]
        for row in rows
        for cell in row.cells
    ]
    names = [
        "never seen",
        "tested on",
        "AUC",
        "recall",
        *(f"false: {alarms.source}" for alarms in rows[0].false_alarms),
    ]
    console.print_table(
        f"Leave one source out: trained on everything else ({TRAINED_ON_FOOTNOTE})", names, table
    )


def print_confident_errors(rows: Sequence[HeadOutcome]) -> None:
    """Print wrong verdicts outside the abstention band, with and without out-of-distribution
    images."""
    tests = [
        (row, " and ".join(cell.tested_on), cell.confident_errors)
        for row in rows
        for cell in row.cells
        if not cell.seen
    ]
    tests += [
        (row, alarms.source, alarms.confident_errors)
        for row in rows
        for alarms in row.false_alarms
        if not alarms.seen
    ]
    table = [
        [
            row.name,
            name,
            errors.wrong.rounded_text,
            errors.wrong_in_distribution.rounded_text,
            errors.out_of_distribution.rounded_text,
        ]
        for row, name, errors in tests
    ]
    console.print_table(
        "Confident errors: wrong verdicts outside the abstention band",
        [
            "never seen",
            "tested on",
            "confident errors",
            "in distribution",
            "out of distribution",
        ],
        table,
    )


def print_history_control(rows: Sequence[HeadOutcome]) -> None:
    """Print, for every head, the processing with the largest change; the page has them all."""
    table = []
    for row in rows:
        largest = max(
            row.reprocessed, key=lambda result: (result.change.known, abs(result.change.value))
        )
        table.append(
            [
                row.name,
                results.describe_reprocessed_images(largest),
                f"{largest.source} ({largest.processing})",
                f"{largest.share_before:.2f}",
                f"{largest.share_after:.2f}",
                largest.change.rounded_text,
            ]
        )
    names = [
        "never seen",
        "images",
        "with the processing of",
        "called generated before",
        "after",
        "change",
    ]
    console.print_table(
        "History control: the same faces in other files, the largest change", names, table
    )


def _format_trained_on_mark(part: GeneratorResult | FalseAlarms) -> str:
    return " *" if part.seen else ""
