"""Choose columns of the feature vector by taps, statistics, input sizes and signals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from training.features.layout import Column


def _make_tap_range(first: float, last: float) -> Callable[[list[str]], list[str]]:
    return lambda taps: taps[int(first * len(taps)) : max(1, round(last * len(taps)))]


TAP_SETS: dict[str, Callable[[list[str]], list[str]]] = {
    "all": _make_tap_range(0, 1),
    "early": _make_tap_range(0, 0.5),
    "middle": _make_tap_range(0.25, 0.75),
    "late": _make_tap_range(0.5, 1),
    "every third": lambda taps: taps[::-3],
    "top": lambda taps: taps[-1:],
}
"""Which taps a head looks at, given all of them from the pixels up."""


STATISTIC_SETS = {"mean": ("mean",), "mean+std": ("mean", "std")}


def compute_column_indices(columns: Sequence[Column]) -> np.ndarray:
    return np.concatenate([np.arange(column.start, column.stop) for column in columns])


def list_size_choices(columns: Sequence[Column]) -> dict[str, tuple[int, ...]]:
    """Every input size alone, and all of them together."""
    return _list_choices(column.size for column in columns)


def list_signal_choices(columns: Sequence[Column]) -> dict[str, tuple[str, ...]]:
    """Every signal alone, and all of them together."""
    return _list_choices(column.signal for column in columns)


def _list_choices(all_values: Iterable) -> dict[str, tuple]:
    values = tuple(dict.fromkeys(all_values))
    return {"+".join(map(str, values)): values, **{str(value): (value,) for value in values}}


def select_columns(columns: Sequence[Column], values: Mapping[str, Any]) -> list[Column]:
    """The columns that a trial's values for signals, taps, sizes and statistics stand for; without `signals` all of them."""
    taps = TAP_SETS[values["taps"]](list(dict.fromkeys(column.tap for column in columns)))
    sizes = list_size_choices(columns)[values["sizes"]]
    statistics = STATISTIC_SETS[values["statistics"]]
    offered = list_signal_choices(columns)
    signals = offered[values.get("signals", next(iter(offered)))]
    return [
        c
        for c in columns
        if c.tap in taps and c.size in sizes and c.signal in signals and c.statistic in statistics
    ]
