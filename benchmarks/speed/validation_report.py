"""Measure the validation report on 1,000 images of noise, and its confidence intervals."""

from pathlib import Path

import numpy as np

from benchmarks.measuring import Measurement, measure_process, measure_seconds
from benchmarks.speed.collection import write_blob_faces
from data_collection.dataset import manifest
from validation.metrics.estimates import estimate_metrics
from validation.metrics.scored_images import ScoredImages

REPORT_IMAGES_PER_CLASS = 500

SCORED_IMAGE_COUNT = 10_000


def measure_report(work_folder: Path) -> list[Measurement]:
    """Measure the report of the detector `one-base`, which `work_folder` must hold."""
    folders = [work_folder / "validated" / label for label in manifest.LABELS]
    folders[0].parent.mkdir()
    write_blob_faces(folders, 10_000, 10_000 + REPORT_IMAGES_PER_CLASS)
    words = ["validation", "--model", "one-base", "--data", "validated"]
    first_seconds, memory = measure_process(words, work_folder)
    cached_seconds, _ = measure_process(words, work_folder)
    rng = np.random.default_rng(0)
    labels = np.arange(SCORED_IMAGE_COUNT) % 2
    scored = ScoredImages(
        1 / (1 + np.exp(-rng.normal(size=SCORED_IMAGE_COUNT) - 2 * labels + 1)),
        labels,
        np.arange(SCORED_IMAGE_COUNT) // 2,
        0.5,
    )
    interval_seconds = measure_seconds(lambda: estimate_metrics(scored))
    return [
        Measurement(
            f"the whole report on {2 * REPORT_IMAGES_PER_CLASS} images, MobileNetV2 at 224 px",
            first_seconds,
            "s",
            promised_max=360,
        ),
        Measurement("peak resident memory of that report", memory, "GB", promised_max=2.5),
        Measurement("the same report again, from cached results", cached_seconds, "s"),
        Measurement(
            f"16 metrics of {SCORED_IMAGE_COUNT} images with their intervals",
            interval_seconds,
            "s",
            promised_max=10,
        ),
    ]
