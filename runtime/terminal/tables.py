"""Build tables that fit a terminal without broken numbers and names."""

from collections.abc import Sequence

import rich.box
import rich.table
import rich.text

MAX_UNBROKEN_CHARACTERS = 14
"""Cells that are no longer are never broken."""

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
    frame = 2 * len(lengths) + 1  # two edges, a divider between columns, and a space after each
    is_too_wide = sum(lengths) + frame > width
    for index, (heading, cells) in enumerate(zip(headings, columns, strict=True)):
        is_short = is_too_wide and max(map(len, cells), default=0) <= MAX_UNBROKEN_CHARACTERS
        table.add_column(
            rich.text.Text(heading.replace(" ", "\n") if is_short else heading),
            justify="right" if index and all(map(_is_number, cells)) else "left",
            overflow="fold",
            no_wrap=is_short,
        )
    for row in rows:
        table.add_row(*map(rich.text.Text, row))
    return table


def _is_number(cell: str) -> bool:
    return cell == "n/a" or cell[:1] in NUMBER_START_CHARACTERS
