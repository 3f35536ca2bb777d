"""Gaps in false alarms in words, for the page and the terminal."""

from validation.gaps.gaps import MIN_GAP_GROUPS, ColumnGaps, ValueGap

MAX_NAMED_VALUES = 8


def describe_gaps(column: ColumnGaps) -> list[str]:
    """Return sentences on the clear gaps of a column, and on photographs that say too little."""
    return [*_describe_differences(column), *_describe_rest(column)]


def _describe_differences(column: ColumnGaps) -> list[str]:
    if not column.gaps:
        return [
            f"False alarms by {column.column}: too few photographs. Two values are compared if "
            f"each has {MIN_GAP_GROUPS} independent ones."
        ]
    if not column.clear:
        largest = max(column.gaps, key=lambda gap: gap.reach)
        return [
            f"False alarms by {column.column}: no value differs clearly from the others; gaps of "
            f"up to {100 * largest.reach:.1f} points remain possible ({largest.value})."
        ]
    return [_describe_gap(column, gap) for gap in column.clear]


def _describe_gap(column: ColumnGaps, gap: ValueGap) -> str:
    difference = gap.difference
    word = "more" if difference.value > 0 else "fewer"
    low, high = sorted(abs(100 * limit) for limit in (difference.low, difference.high))
    return (
        f"False alarms by {column.column}: {gap.value} has {gap.false_alarms.value:.1%} of "
        f"{gap.images:,} photographs, {100 * abs(difference.value):.1f} points {word} than the "
        f"others (95% interval {low:.1f} to {high:.1f})."
    )


def _describe_rest(column: ColumnGaps) -> list[str]:
    sentences = []
    if column.gaps and column.too_few:
        names = [f"{value} ({count:,})" for value, count in column.too_few.items()]
        n_more = len(names) - MAX_NAMED_VALUES
        more = f" and {n_more} more" if n_more > 0 else ""
        sentences.append(
            f"Too few photographs to be compared: {', '.join(names[:MAX_NAMED_VALUES])}{more}."
        )
    if column.unknown:
        noun = "photograph has" if column.unknown == 1 else "photographs have"
        sentences.append(f"{column.unknown:,} {noun} no {column.column}.")
    return sentences
