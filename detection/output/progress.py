"""Progress of many images on standard error."""

from collections.abc import Iterable

from detection.detections import Detection
from runtime import console

MAX_TABLE_ROWS = 50
"""With more images than this, lines are printed as they come."""


def show_progress(detections: Iterable[Detection], total: int) -> Iterable[Detection]:
    """Yield the detections, with a bar if there are many."""
    return (
        console.track_progress(detections, "judging", total)
        if total > MAX_TABLE_ROWS
        else detections
    )
