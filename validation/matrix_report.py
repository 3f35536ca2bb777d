"""What a matrix run leaves behind: matrix.json, matrix.html, a heat map in TensorBoard, and tables in the terminal."""

import math
from collections.abc import Sequence
from pathlib import Path

from data_collection import console, manifest
from training import run_logs
from validation import matrix_figures, matrix_page, matrix_results, plain_json
from validation.matrix_outcomes import Alarms, Cell, Outcome
from validation.matrix_results import Matrix
from validation.metrics import Estimate

STAR = "* trained on it: hold-out only"


def write(found: Matrix, folder: Path) -> None:
    plain_json.write(folder / "matrix.json", matrix_results.as_json(found))
    manifest.write_whole(folder / "matrix.html", matrix_page.page(found).encode(errors="replace"))


def log(found: Matrix, folder: Path) -> None:
    brief = matrix_results.summary(found.rows)
    with run_logs.opened(folder) as run:
        run.scalars({"matrix/mean AUC, diagonal": brief.diagonal, "matrix/mean AUC, off the diagonal": brief.off_diagonal})
        run.picture("matrix/AUC", run_logs.decoded(matrix_figures.heat_map(found.rows)))
        run.text("matrix", "\n\n".join(matrix_results.sentences(found)))


def show(found: Matrix) -> None:
    columns = [" and ".join(cell.tested_on) for cell in found.rows[0].cells]
    console.table(
        f"AUC with its 95% interval: trained on the row, tested on the column ({STAR})",
        ["trained on", *columns],
        [[row.name, *(f"{cell.auc}{_star(cell)}" for cell in row.cells)] for row in found.rows],
    )
    show_rates(f"At each row's threshold ({found.settings.target_fpr:.0%} of the photographs that set it)", found.rows)
    if found.left_out:
        show_left_out(found.left_out)
        show_sure(found.left_out)
        if found.settings.history_control:
            show_history(found.left_out)
    for sentence in matrix_results.sentences(found):
        console.out.print(console.shown(sentence), markup=False)
    if found.banner:
        console.warn(found.banner)


def show_rates(title: str, rows: Sequence[Outcome]) -> None:
    """Share called generated, of every generated and every real source."""
    columns = [*(" and ".join(cell.tested_on) for cell in rows[0].cells), *(f"false: {each.source}" for each in rows[0].alarms)]
    shares = [[row.name, *(_brief(cell.tpr) for cell in row.cells), *(_brief(each.fpr) for each in row.alarms)] for row in rows]
    console.table(title, ["trained on", *columns], shares)


def show_left_out(rows: Sequence[Outcome]) -> None:
    table = [
        [
            row.name,
            cell.tested_on[0] if len(cell.tested_on) == 1 else f"all {len(cell.tested_on)} generators{_star(cell)}",
            cell.auc,
            _brief(cell.tpr),
            *(f"{_brief(each.fpr)}{_star(each)}" for each in row.alarms),
        ]
        for row in rows
        for cell in row.cells
    ]
    names = ["never seen", "tested on", "AUC", "found", *(f"false: {each.source}" for each in rows[0].alarms)]
    console.table(f"Leave one source out: trained on everything else ({STAR})", names, table)


def show_sure(rows: Sequence[Outcome]) -> None:
    """Wrong verdicts outside the band of doubt, before and after images far from the training images get none."""
    tests = [(row, " and ".join(each.tested_on), each) for row in rows for each in row.cells if not each.seen]
    tests += [(row, each.source, each) for row in rows for each in row.alarms if not each.seen]
    table = [
        [row.name, name, _brief(each.sure.wrong), _brief(each.sure.wrong_near), _brief(each.sure.far)]
        for row, name, each in tests
    ]
    console.table(
        "Wrong and sure of it: outside the band of doubt",
        ["never seen", "tested on", "sure and wrong", "the same, and not far", "far from all training"],
        table,
    )


def show_history(rows: Sequence[Outcome]) -> None:
    """Of every head the processing that changes most; the page has them all."""
    table = []
    for row in rows:
        most = max(row.history, key=lambda each: (each.change.known, abs(each.change.value)))
        what = "photographs" if most.label == "generated" else "generated images"
        calls = f"{most.plain:.2f}", f"{most.processed:.2f}", _brief(most.change)
        table.append([row.name, what, f"{most.source} ({most.processing})", *calls])
    names = ["never seen", "what", "goes through the processing of", "called generated", "and then", "change"]
    console.table("History control: the same faces in other files, and what changes most", names, table)


def _brief(estimate: Estimate) -> str:
    """With two digits: a share of a few dozen images has no third."""
    if math.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.2f}" + (f" ({estimate.low:.2f} to {estimate.high:.2f})" if estimate.known else "")


def _star(part: Cell | Alarms) -> str:
    return " *" if part.seen else ""
