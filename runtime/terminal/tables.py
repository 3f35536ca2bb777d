"""Build tables that fit a terminal without broken numbers and names."""

import re
from collections.abc import Sequence

import rich.box
import rich.table
import rich.text

MAX_UNBROKEN_CHARACTERS = 14
"""Cells that are no longer are never broken."""

INTERVAL = re.compile(r" \(([^ ()]+) to ([^ ()]+)\)")
"""After a value: 0.93 (0.84 to 0.98)."""

NUMBER_START_CHARACTERS = "0123456789.-+\N{MINUS SIGN}\N{EN DASH}"
"""First characters of a number, an interval or a gap in a column of numbers."""


def build_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> rich.table.Table:
    """Return a table; columns of numbers are aligned to the right.

    If it is wider than `width`, in characters, headings are broken between words, and the columns
    of long texts give way.
    """
    table = rich.table.Table(
        title=rich.text.Text(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=rich.box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    columns = [[row[index] for row in rows] for index in range(len(headings))]
    lengths = [max(map(len, [name, *cells])) for name, cells in zip(headings, columns, strict=True)]
    room = width - 2 * len(lengths) - 1  # two edges, a divider between columns, a space after each
    is_too_wide = sum(lengths) > room
    widths = [0] * len(columns)
    if is_too_wide:
        columns, widths = _break_at_intervals(headings, columns, room)
        rows = list(zip(*columns, strict=True))
    for index, (heading, cells) in enumerate(zip(headings, columns, strict=True)):
        is_short = is_too_wide and max(map(len, cells), default=0) <= MAX_UNBROKEN_CHARACTERS
        table.add_column(
            rich.text.Text(heading.replace(" ", "\n") if is_short else heading),
            justify="right" if index and all(map(_is_number, cells)) else "left",
            overflow="fold",
            width=widths[index] or None,
            no_wrap=is_short,
        )
    for row in rows:
        table.add_row(*map(rich.text.Text, row))
    return table


def _break_at_intervals(
    headings: Sequence[str], columns: Sequence[Sequence[str]], room: int
) -> tuple[list[list[str]], list[int]]:
    """Return the columns with intervals on lines of their own, in short form if they must, and the
    width of each; 0 for all if no widths keep every word whole."""
    for separator in (" to ", "\N{EN DASH}"):
        broken = [
            [INTERVAL.sub(rf"\n(\1{separator}\2)", cell) for cell in column] for column in columns
        ]
        cells = [[heading, *column] for heading, column in zip(headings, broken, strict=True)]
        least = [max(map(_measure_least_width, column)) for column in cells]
        if sum(least) <= room:
            wanted = [
                max(len(line) for cell in column for line in cell.split("\n")) for column in cells
            ]
            return broken, _share_room(least, wanted, room)
    return list(map(list, columns)), [0] * len(columns)


def _share_room(least: Sequence[int], wanted: Sequence[int], room: int) -> list[int]:
    """Return widths of at least `least`; what is left goes to the columns that lack most."""
    widths = list(least)
    for _ in range(room - sum(widths)):
        lacks = [want - width for want, width in zip(wanted, widths, strict=True)]
        if max(lacks) <= 0:
            break
        widths[lacks.index(max(lacks))] += 1
    return widths


def _measure_least_width(cell: str) -> int:
    """Return the characters of the longest word or interval."""
    return max(map(len, [*cell.split(), *cell.split("\n")[1:]]), default=0)


def _is_number(cell: str) -> bool:
    return cell == "n/a" or cell[:1] in NUMBER_START_CHARACTERS
