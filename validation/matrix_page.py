"""matrix.html: one page, complete in itself, about which generators a detector knows without having seen them.

It asks for nothing over the network and runs no script. All that strangers wrote (names of sources and files) is escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection import pages
from validation import matrix_results
from validation.intervals import CONFIDENCE, REPLICATES
from validation.matrix_outcomes import Alarms, Cell, Outcome
from validation.matrix_results import Matrix
from validation.metrics import Estimate

TEMPLATE = "matrix_page.html.jinja"

FEW_IMAGES, FEW_GROUPS = 50, 20
"""Under either a figure is printed in grey: its interval says little."""

MOST = 0.62
"""Opacity of the strongest heat, under which text stays readable on white and on black."""


@dataclass(frozen=True)
class Square:
    """One figure as the page shows it.

    Attributes:
        name: what was tested.
        label: "generated" or "real".
        tone: "high" or "low", the hue of the heat.
        heat: its opacity.
        seen: whether the head learnt from what was tested.
        few: whether too few images stand behind it.
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
class Line:
    """One head: its name, how much taught it, and its figures."""

    name: str
    training: str
    squares: list[Square]
    alarms: list[Square]


@dataclass(frozen=True)
class LeftOut:
    """One figure of a head that was kept away from something.

    Attributes:
        tests: what was tested, in words.
        against: photographs behind the AUC, in words.
        alarms: false alarms on photographs of each real source.
    """

    name: str
    tests: str
    against: str
    auc: Square
    tpr: Square
    alarms: list[Square]


@dataclass(frozen=True)
class SureLine:
    """What a head says wrongly, and surely, of what it has never seen; the attributes are those of matrix_outcomes.Sure."""

    name: str
    tests: str
    wrong: Square
    near: Square
    far: Square


def page(found: Matrix) -> str:
    brief = matrix_results.summary(found.rows)
    return pages.template(Path(__file__).parent, TEMPLATE).render(
        found=found,
        name=found.data.folder.absolute().name,
        brief=brief,
        shown=matrix_results.shown,
        sentences=list(matrix_results.sentences(found)),
        sources=matrix_results.sources(found),
        auc=[_line(row, [_auc(cell) for cell in row.cells]) for row in found.rows],
        rates=[_line(row, [_tpr(cell) for cell in row.cells]) for row in found.rows],
        left_out=[line for row in found.left_out for line in _left_out(row)],
        sure=[line for row in found.left_out for line in _sure(row)],
        facts=matrix_results.as_json(found),
        photographs=found.rows[0].threshold_photographs,
        allowed=math.floor(found.settings.target_fpr * found.rows[0].threshold_photographs),
        head=matrix_results.head(found.settings),
        few=(FEW_IMAGES, FEW_GROUPS),
        confidence=CONFIDENCE,
        replicates=REPLICATES,
    )


def _line(row: Outcome, squares: list[Square]) -> Line:
    counts = row.training_images
    training = f"{counts['generated']:,} generated, {counts['real']:,} real"
    return Line(row.name, training, squares, [_alarm(each) for each in row.alarms])


def _square(name: str, estimate: Estimate, strength: float, tone: str, part: Cell | Alarms) -> Square:
    return Square(
        name,
        "real" if isinstance(part, Alarms) else "generated",
        matrix_results.shown(estimate.value),
        f"{estimate.low:.2f} to {estimate.high:.2f}" if estimate.known else "",
        tone,
        0.0 if math.isnan(strength) else round(MOST * strength, 3),
        part.seen,
        part.images < FEW_IMAGES or part.groups < FEW_GROUPS,
        part.images,
        part.groups,
        part.left_out,
    )


def _auc(cell: Cell) -> Square:
    """White at .5, which is a coin; green above, purple below."""
    value = cell.auc.value
    return _square(_together(cell.tested_on), cell.auc, abs(value - 0.5) * 2, "high" if value >= 0.5 else "low", cell)


def _tpr(cell: Cell) -> Square:
    return _square(_together(cell.tested_on), cell.tpr, cell.tpr.value, "high", cell)


def _alarm(alarms: Alarms) -> Square:
    return _square(alarms.source, alarms.fpr, alarms.fpr.value, "low", alarms)


def _together(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"all {len(names)} generators"


def _left_out(row: Outcome) -> list[LeftOut]:
    alarms = [_alarm(each) for each in row.alarms]
    kind = "of the hold-out" if all(each.seen for each in alarms) else "never seen"
    return [
        LeftOut(
            row.name,
            _together(cell.tested_on),
            f"{cell.photographs:,} photographs {kind}",
            _auc(cell),
            _tpr(cell),
            alarms,
        )
        for cell in row.cells
    ]


def _sure(row: Outcome) -> list[SureLine]:
    tests = [(_together(cell.tested_on), cell) for cell in row.cells if not cell.seen]
    tests += [(alarms.source, alarms) for alarms in row.alarms if not alarms.seen]

    def square(name: str, part: Cell | Alarms, share: Estimate) -> Square:
        return _square(name, share, share.value, "low", part)

    return [
        SureLine(row.name, name, *(square(name, part, each) for each in (part.sure.wrong, part.sure.wrong_near, part.sure.far)))
        for name, part in tests
    ]
