"""Speed and memory of the validation report, on 1,000 pictures made of noise, and of its
intervals."""

from pathlib import Path

import numpy as np

from benchmarks.measuring import Measurement, measure_process, measure_seconds
from benchmarks.speed.collection import write_blob_faces
from data_collection.dataset import manifest
from validation.metrics.estimates import estimate_metrics
from validation.metrics.scored_images import ScoredImages

REPORT_IMAGES_PER_CLASS = 500
"""Of each class."""

SCORED_IMAGE_COUNT = 10_000


def measure_report(place: Path) -> list[Measurement]:
    """Needs the detector `one-base` in `place`."""
    folders = [place / "judged" / label for label in manifest.LABELS]
    folders[0].parent.mkdir()
    write_blob_faces(folders, 10_000, 10_000 + REPORT_IMAGES_PER_CLASS)
    words = ["validation", "--model", "one-base", "--data", "judged"]
    first, memory = measure_process(words, place)
    again, _ = measure_process(words, place)
    draw = np.random.default_rng(0)
    labels = np.arange(SCORED_IMAGE_COUNT) % 2
    judged = ScoredImages(
        1 / (1 + np.exp(-draw.normal(size=SCORED_IMAGE_COUNT) - 2 * labels + 1)),
        labels,
        np.arange(SCORED_IMAGE_COUNT) // 2,
        0.5,
    )
    intervals = measure_seconds(lambda: estimate_metrics(judged))
    return [
        Measurement(
            f"the whole report on {2 * REPORT_IMAGES_PER_CLASS} images, MobileNetV2 at 224 px",
            first,
            "s",
            most=360,
        ),
        Measurement("peak resident memory of that report", memory, "GB", most=2.5),
        Measurement("the same report again, from what is kept", again, "s"),
        Measurement(
            f"16 metrics of {SCORED_IMAGE_COUNT} images with their intervals",
            intervals,
            "s",
            most=10,
        ),
    ]
