"""Compare sets of JPEG qualities at which an image is judged: `python -m
benchmarks.studies.judgement_qualities MODEL FOLDER...`.

A folder whose name begins with "real" holds photographs, any other generated images. Each image is
judged as it is and after it was saved again as JPEG 90 and 75. A row says how well a set of
qualities ranks the images, how many answers change by saving again, and how many images the
qualities disagree on.
"""

import concurrent.futures
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image
from sklearn.metrics import roc_auc_score

from data_collection.images import canonical, decode, errors
from data_collection.images.encode import encode_jpeg
from detection.predictor import Detector
from runtime import console
from training.calibration import combine_qualities
from training.detectors import saved_models
from training.onnx_files import onnx_models

QUALITIES = tuple(range(60, 100, 5))
SAVED_AGAIN_QUALITIES = (90, 75)
QUALITY_SETS = (
    *((quality,) for quality in QUALITIES),
    *((65, 90), (75, 90), (60, 75, 90), (60, 70, 80, 90), QUALITIES),
)
COLUMNS = (
    *("qualities", "AUC", "changed by JPEG 90", "changed by JPEG 75", "disagree"),
    *("photographs called generated", "generated called generated"),
)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Compare sets of JPEG qualities at which an image is judged."""

    model: tyro.conf.Positional[Path]
    """Folder of a saved detector."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of images; a name that begins with "real" means photographs."""

    images: int = 40
    """Images of each folder, the first by name."""


def main() -> None:
    settings = tyro.cli(StudySettings, prog="python -m benchmarks.studies.judgement_qualities")
    detector = Detector.load(settings.model)
    model = saved_models.read_verified_model(detector.folder, detector.card, saved_models.ONNX_FILE)
    run = onnx_models.open_onnx(model, threads=1)
    paths = [path for folder in settings.folders for path in list_images(folder, settings.images)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        probabilities = pool.map(lambda path: score_image(detector, run, path), paths)
        scored = [
            (path.parent.name.startswith("real"), row)
            for path, row in zip(paths, probabilities, strict=True)
            if row is not None
        ]
    is_real = np.array([real for real, _ in scored])
    table = np.stack([row for _, row in scored])
    rows = [describe_set(detector, is_real, table, qualities) for qualities in QUALITY_SETS]
    console.print_table(f"{len(scored)} images", COLUMNS, rows)


def list_images(folder: Path, count: int) -> list[Path]:
    """Return the first images of a folder by name."""
    return sorted(path for path in folder.iterdir() if path.is_file())[:count]


def score_image(detector: Detector, run: onnx_models.OnnxRunner, path: Path) -> np.ndarray | None:
    """Return probabilities (versions of the file, qualities); None if it cannot be opened."""
    data = path.read_bytes()
    try:
        versions = [data, *(save_again(data, quality) for quality in SAVED_AGAIN_QUALITIES)]
        faces = [decode.decode_face(version, detector.card.crop) for version in versions]
    except errors.UnreadableImage:
        return None
    side = detector.card.image_size
    pixels = [canonical.compute_judgement_pixels(face, side, QUALITIES) for face in faces]
    return np.stack([run(views.astype(np.float32))[:, 0] for views in pixels])


def save_again(data: bytes, quality: int) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return encode_jpeg(image.convert("RGB"), quality)


def describe_set(
    detector: Detector, is_real: np.ndarray, table: np.ndarray, qualities: tuple[int, ...]
) -> list[str]:
    """Return the row of one set of qualities; `table` is (images, versions, qualities)."""
    chosen = table[:, :, [QUALITIES.index(quality) for quality in qualities]]
    combined = [combine_qualities(chosen[:, version]) for version in range(chosen.shape[1])]
    by_mean = np.array([[decide(detector, p, p, p) for p in scores] for scores, _, _ in combined])
    answers = np.array([decide(detector, *row) for row in zip(*combined[0], strict=True)])
    shares = [np.mean(by_mean[version] != by_mean[0]) for version in (1, 2)]
    shares += [
        np.mean(answers != by_mean[0]),
        np.mean(answers[is_real] == "generated"),
        np.mean(answers[~is_real] == "generated"),
    ]
    auc = roc_auc_score(~is_real, combined[0][0])
    return [
        "+".join(map(str, qualities)),
        f"{auc:.4f}",
        *(f"{100 * share:.1f}%" for share in shares),
    ]


def decide(detector: Detector, probability: float, low: float, high: float) -> str:
    return detector.point.decide(float(probability), float(low), float(high))


if __name__ == "__main__":
    console.run_command(main)
