"""Estimate how long a step of equal parts still takes, from the parts that are done."""

import time
from collections.abc import Callable

MIN_ELAPSED_S = 5
"""An estimate from less says little."""

MIN_SHARE_DONE, SURE_AFTER_S = 0.01, 30
"""The first of many short parts may take as long as starting a library does. Under this share of
the parts an estimate waits for so many seconds."""

MIN_TIME_LEFT_S = 60
"""Nothing is said of a shorter time."""

REPEAT_AFTER_S = 300


class TimeLeft:
    """Say now and then how long is left.

    Args:
        total: number of parts, from now on.
        clock: returns seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic):
        self._total, self._clock = total, clock
        self._started = clock()
        self._told = -float("inf")

    def describe(self, n_done: int) -> str:
        """Return the time left in a sentence; empty if it is short or unknown, or was told in the
        last REPEAT_AFTER_S."""
        now = self._clock()
        elapsed = now - self._started
        if not n_done or elapsed < MIN_ELAPSED_S or now - self._told < REPEAT_AFTER_S:
            return ""
        if n_done < MIN_SHARE_DONE * self._total and elapsed < SURE_AFTER_S:
            return ""
        seconds = elapsed / n_done * (self._total - n_done)
        if seconds < MIN_TIME_LEFT_S:
            return ""
        self._told = now
        return f"About {format_duration(seconds)} left ({n_done:,} of {self._total:,} done)."


def format_duration(seconds: float) -> str:
    """Return a rough duration in words, such as "12 minutes"."""
    minutes = max(round(seconds / 60), 1)
    if minutes > 90:
        return f"{seconds / 3600:.0f} hours"
    return f"{minutes} minute{'s' if minutes != 1 else ''}"
