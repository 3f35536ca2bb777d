"""Choose columns of the feature vector by taps, statistics, input sizes and signals."""

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from training.features.layout import CLASS_STATISTIC, Column

TapFilter = Callable[[list[str]], list[str]]
"""From all taps of a base, in order from the pixels up, to those that a head uses."""


def _make_tap_range(first: float, last: float) -> TapFilter:
    return lambda taps: taps[int(first * len(taps)) : max(1, round(last * len(taps)))]


TAP_SETS: dict[str, TapFilter] = {
    "all": _make_tap_range(0, 1),
    "early": _make_tap_range(0, 0.5),
    "middle": _make_tap_range(0.25, 0.75),
    "late": _make_tap_range(0.5, 1),
    "every third": lambda taps: taps[::-3],
    "top": lambda taps: taps[-1:],
}

STATISTIC_SETS = (("mean",), ("mean", "std"))


def list_choices(values: Iterable[object]) -> list[str]:
    """Return the choices of a search: all values joined by "+", then each value alone."""
    names = [str(value) for value in dict.fromkeys(values)]
    return list(dict.fromkeys(["+".join(names), *names]))


def select_columns(
    columns: Sequence[Column],
    *,
    taps: str,
    statistics: Collection[str],
    sizes: Collection[int] | None = None,
    signals: Collection[str] | None = None,
) -> list[Column]:
    """Return the columns with these properties, in their order.

    Args:
        taps: a name in TAP_SETS.
        statistics: the class token of these taps, if they have one, is added to them.
        sizes, signals: None for all.

    Raises:
        ValueError: no column has one of the statistics, sizes or signals.
    """
    chosen_taps = TAP_SETS[taps](list(dict.fromkeys(column.tap for column in columns)))
    chosen_statistics = _check_offered(statistics, (column.statistic for column in columns))
    chosen_sizes = _check_offered(sizes, (column.size for column in columns))
    chosen_signals = _check_offered(signals, (column.signal for column in columns))
    return [
        column
        for column in columns
        if column.tap in chosen_taps
        and column.statistic in (CLASS_STATISTIC, *chosen_statistics)
        and column.size in chosen_sizes
        and column.signal in chosen_signals
    ]


def _check_offered(requested: Collection | None, offered: Iterable) -> set:
    """Return the requested values as a set, or all offered ones for None."""
    available = set(offered)
    if requested is None:
        return available
    missing = set(requested) - available
    if missing:
        raise ValueError(f"no column has {missing.pop()}")
    return set(requested)


def compute_column_indices(columns: Sequence[Column]) -> np.ndarray:
    """Return the indices of these columns in the feature vector, int (width,)."""
    return np.concatenate([np.arange(column.start, column.stop) for column in columns])


def compute_column_slices(columns: Sequence[Column]) -> list[slice]:
    """Return slices of the feature vector that hold these columns in order, as few as possible."""
    slices: list[slice] = []
    for column in columns:
        start = slices.pop().start if slices and slices[-1].stop == column.start else column.start
        slices.append(slice(start, column.stop))
    return slices
