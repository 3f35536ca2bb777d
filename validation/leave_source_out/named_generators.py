"""Report which known generator is named for images of generators that are left out, or none."""

from collections.abc import Iterator, Sequence

import numpy as np

from runtime.terminal.counting import choose_verb, format_count
from training.attribution.attribution import NONE_OF_THE_KNOWN
from training.cuts.left_out import compute_wilson_interval
from validation.leave_source_out.results import SourceFigures


def list_named_rows(rows: Sequence[SourceFigures]) -> Iterator[list[str]]:
    """Yield the names of the columns, then the answers to each generator left out; nothing if no
    generator is ever named."""
    figures = [row for row in rows if row.label and row.unseen_named]
    if not figures:
        return
    generators = sorted({name for row in figures for name in row.unseen_named.generators})
    yield ["left out", "called generated", *generators, NONE_OF_THE_KNOWN, "no name, 95%"]
    for row in figures:
        (named,) = row.unseen_named.rows
        yield [
            row.source,
            f"{named.generated:,} of {named.images:,}",
            *(str(named.named.get(name, "")) for name in generators),
            str(named.none),
            named.none_share.rounded_text,
        ]


def describe_named(rows: Sequence[SourceFigures]) -> Iterator[str]:
    """Yield what the names are worth, over all generators left out and over the known ones."""
    figures = [row for row in rows if row.unseen_named]
    left_out = [row.unseen_named.rows[0] for row in figures if row.label]
    total = sum(named.generated for named in left_out)
    if total:
        none = sum(named.none for named in left_out)
        n_groups = sum(
            min(row.groups, row.unseen_named.rows[0].generated) for row in figures if row.label
        )
        low, high = compute_wilson_interval(none / total, n_groups)
        yield (
            f"Of {format_count(total, 'image')} of generators left out that "
            f"{choose_verb(total, 'was', 'were')} called generated, {none:,} ({none / total:.0%}; "
            f"{low:.0%} to {high:.0%}) got none of the known names."
        )
    shares = [row.known_named.own_share.value for row in figures]
    shares = [share for share in shares if np.isfinite(share)]
    if shares:
        yield (
            f"Of images of known generators in the hold-out that were called generated, "
            f"{np.mean(shares):.0%} got their own generator's name"
            f"{f', the mean of {len(shares):,} detectors' if len(shares) > 1 else ''}."
        )
