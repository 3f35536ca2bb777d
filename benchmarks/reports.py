"""Speed and memory of the validation report, on 1,000 pictures made of noise, and of its intervals."""

from pathlib import Path

import numpy as np

from benchmarks.collection import write_faces
from benchmarks.measuring import Figure, timed, whole_process
from data_collection import manifest
from validation.judged import Judged
from validation.metrics import estimates

IMAGES = 500
"""Of each class."""

SCORED = 10_000


def figures(place: Path) -> list[Figure]:
    """Needs the detector `one-base` in `place`."""
    folders = [place / "judged" / label for label in manifest.LABELS]
    folders[0].parent.mkdir()
    write_faces(folders, 10_000, 10_000 + IMAGES)
    words = ["validation", "--model", "one-base", "--data", "judged"]
    first, memory = whole_process(words, place)
    again, _ = whole_process(words, place)
    draw = np.random.default_rng(0)
    labels = np.arange(SCORED) % 2
    judged = Judged(1 / (1 + np.exp(-draw.normal(size=SCORED) - 2 * labels + 1)), labels, np.arange(SCORED) // 2, 0.5)
    intervals = timed(lambda: estimates(judged))
    return [
        Figure(f"the whole report on {2 * IMAGES} images, MobileNetV2 at 224 px", first, "s", most=360),
        Figure("peak resident memory of that report", memory, "GB", most=2.5),
        Figure("the same report again, from what is kept", again, "s"),
        Figure(f"16 metrics of {SCORED} images with their intervals", intervals, "s", most=10),
    ]
