"""What a matrix run leaves behind: matrix.json, matrix.html, a heat map in TensorBoard, and tables in the terminal."""

import math
from collections.abc import Sequence
from pathlib import Path

from data_collection import console, manifest
from training import run_logs
from validation import matrix_figures, matrix_page, matrix_results, plain_json
from validation.matrix_heads import Alarms, Cell, Outcome
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
    show_rates(f"At each row's threshold ({found.settings.target_fpr:.0%} of its validation photographs)", found.rows)
    if found.left_out:
        show_left_out(found.left_out)
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


def _brief(estimate: Estimate) -> str:
    """With two digits: a share of a few dozen images has no third."""
    if math.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.2f}" + (f" ({estimate.low:.2f} to {estimate.high:.2f})" if estimate.known else "")


def _star(part: Cell | Alarms) -> str:
    return " *" if part.seen else ""
