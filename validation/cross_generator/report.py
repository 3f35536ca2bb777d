"""What a matrix run leaves behind: matrix.json, matrix.html, a heat map in TensorBoard, and tables
in the terminal."""

import math
from collections.abc import Sequence
from pathlib import Path

from runtime import atomic_files, console
from training import tensorboard_logs
from validation import plain_json
from validation.cross_generator import figures, page, results
from validation.cross_generator.outcomes import FalseAlarms, GeneratorResult, HeadOutcome
from validation.cross_generator.results import CrossGeneratorResult
from validation.metrics.estimates import Estimate

TRAINED_ON_FOOTNOTE = "* trained on it: hold-out only"


def write_cross_generator_report(found: CrossGeneratorResult, folder: Path) -> None:
    plain_json.write_plain_json(folder / "matrix.json", results.build_cross_generator_json(found))
    atomic_files.write_atomically(
        folder / "matrix.html", page.render_cross_generator_page(found).encode(errors="replace")
    )


def log_cross_generator_report(found: CrossGeneratorResult, folder: Path) -> None:
    brief = results.summarise_outcomes(found.rows)
    with tensorboard_logs.open_run_log(folder) as run:
        run.scalars(
            {
                "matrix/mean AUC, diagonal": brief.diagonal,
                "matrix/mean AUC, off the diagonal": brief.off_diagonal,
            }
        )
        run.picture(
            "matrix/AUC", tensorboard_logs.decode_image(figures.plot_auc_heat_map(found.rows))
        )
        run.text("matrix", "\n\n".join(results.describe_findings(found)))


def print_cross_generator_report(found: CrossGeneratorResult) -> None:
    columns = [" and ".join(cell.tested_on) for cell in found.rows[0].cells]
    console.print_table(
        f"AUC with its 95% interval: trained on the row, tested on the column ({TRAINED_ON_FOOTNOTE})",
        ["trained on", *columns],
        [
            [row.name, *(f"{cell.auc}{_format_trained_on_mark(cell)}" for cell in row.cells)]
            for row in found.rows
        ],
    )
    print_rates(
        f"At each row's threshold ({found.settings.target_fpr:.0%} of the photographs that set it)",
        found.rows,
    )
    if found.left_out:
        print_left_out(found.left_out)
        print_confident_errors(found.left_out)
        if found.settings.history_control:
            print_history_control(found.left_out)
    for sentence in results.describe_findings(found):
        console.out.print(console.sanitise_text(sentence), markup=False)
    if found.banner:
        console.print_warning(found.banner)


def print_rates(title: str, rows: Sequence[HeadOutcome]) -> None:
    """Share called generated, of every generated and every real source."""
    columns = [
        *(" and ".join(cell.tested_on) for cell in rows[0].cells),
        *(f"false: {each.source}" for each in rows[0].alarms),
    ]
    shares = [
        [
            row.name,
            *(_format_estimate(cell.tpr) for cell in row.cells),
            *(_format_estimate(each.fpr) for each in row.alarms),
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
            _format_estimate(cell.tpr),
            *(
                f"{_format_estimate(each.fpr)}{_format_trained_on_mark(each)}"
                for each in row.alarms
            ),
        ]
        for row in rows
        for cell in row.cells
    ]
    names = [
        "never seen",
        "tested on",
        "AUC",
        "found",
        *(f"false: {each.source}" for each in rows[0].alarms),
    ]
    console.print_table(
        f"Leave one source out: trained on everything else ({TRAINED_ON_FOOTNOTE})", names, table
    )


def print_confident_errors(rows: Sequence[HeadOutcome]) -> None:
    """Wrong verdicts outside the band of doubt, before and after images far from the training
    images get none."""
    tests = [
        (row, " and ".join(each.tested_on), each)
        for row in rows
        for each in row.cells
        if not each.seen
    ]
    tests += [(row, each.source, each) for row in rows for each in row.alarms if not each.seen]
    table = [
        [
            row.name,
            name,
            _format_estimate(each.sure.wrong),
            _format_estimate(each.sure.wrong_near),
            _format_estimate(each.sure.far),
        ]
        for row, name, each in tests
    ]
    console.print_table(
        "Wrong and sure of it: outside the band of doubt",
        [
            "never seen",
            "tested on",
            "sure and wrong",
            "the same, and not far",
            "far from all training",
        ],
        table,
    )


def print_history_control(rows: Sequence[HeadOutcome]) -> None:
    """Of every head the processing that changes most; the page has them all."""
    table = []
    for row in rows:
        most = max(row.history, key=lambda each: (each.change.known, abs(each.change.value)))
        what = "photographs" if most.label == "generated" else "generated images"
        calls = f"{most.plain:.2f}", f"{most.processed:.2f}", _format_estimate(most.change)
        table.append([row.name, what, f"{most.source} ({most.processing})", *calls])
    names = [
        "never seen",
        "what",
        "goes through the processing of",
        "called generated",
        "and then",
        "change",
    ]
    console.print_table(
        "History control: the same faces in other files, and what changes most", names, table
    )


def _format_estimate(estimate: Estimate) -> str:
    """With two digits: a share of a few dozen images has no third."""
    if math.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.2f}" + (
        f" ({estimate.low:.2f} to {estimate.high:.2f})" if estimate.known else ""
    )


def _format_trained_on_mark(part: GeneratorResult | FalseAlarms) -> str:
    return " *" if part.seen else ""
