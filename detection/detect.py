"""detect(): paths -> detections -> a table, or JSON."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_collection import console
from data_collection.found_faces import JUNK
from detection.predictor import Detection, Detector
from detection.settings import DetectionSettings
from training import saved_models

# In a folder, other files are passed over in silence; these are either judged or named with the reason why not.
SUFFIXES = {
    *(".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".pnm"),
    *(".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2"),
}
SOME_FAILED = 1


def detect(settings: DetectionSettings) -> int:
    """Judges files and prints the answers.

    Returns:
        0 if all were judged, 1 if some could not be.

    Raises:
        PlainError: no detector, or an altered one; or nothing to look at.
    """
    paths = list(images(settings.paths))
    if not paths:
        raise console.PlainError(f"{' '.join(map(str, settings.paths))} holds no images.")
    folder = saved_models.find(settings.saved_models, settings.model)
    detector = Detector.load(folder)
    judged = detector.predict_all(paths)
    detections = list(console.progress(judged, "judging", len(paths)) if len(paths) > 50 else judged)
    if settings.json:
        print(json.dumps([as_json(detection) for detection in detections], indent=1))
    else:
        show(detections, detector)
    return SOME_FAILED if any(detection.error for detection in detections) else 0


def images(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are named; in folders, every image by its suffix, hidden files and links passed over."""
    for path in paths:
        if os.path.isdir(path):  # unlike Path.is_dir, it bears names that are too long to exist
            for file in sorted(path.rglob("*")):
                hidden = any(part.startswith(".") or part in JUNK for part in file.relative_to(path).parts)
                if file.suffix.lower() in SUFFIXES and not hidden and not file.is_symlink():
                    yield file
        else:
            yield path


def as_json(detection: Detection) -> dict[str, str | float]:
    answer = {"verdict": detection.verdict, "probability": round(detection.probability or 0, 6)}
    return {"path": str(detection.path), **({"error": detection.error} if detection.error else answer)}


def show(detections: Sequence[Detection], detector: Detector) -> None:
    rows = [
        [str(d.path), d.verdict or "-", f"{d.probability:.3f}" if d.probability is not None else "-", d.error]
        for d in detections
    ]
    notes = any(detection.error for detection in detections)
    columns = ["image", "verdict", "probability of generated", *(["why not"] if notes else [])]
    console.table("", columns, [row[: len(columns)] for row in rows])
    band = detector.card.calibration
    console.say(
        f"Judged by {detector.card.name}: generated from {band.generated_above:.2f}, real up to {band.real_below:.2f}, "
        f"can't tell between. {band.expectation()} This is no proof."
    )
    if detector.card.banner:
        console.warn(detector.card.banner)
