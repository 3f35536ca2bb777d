"""Saved detectors' probabilities for many images, kept on disk: what was judged once is not judged
again."""

import concurrent.futures
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from runtime import console
from training import onnx_models
from training.calibration import Calibration
from training.detectors import saved_models
from training.detectors.card import Card
from training.features import extractor
from training.features import pixels as feature_pixels
from validation.result_cache import RESULT_CACHE_FOLDER, load_or_compute

SCORES_CHUNK_IMAGES = 64
"""Images after which the probabilities are kept."""

SCORING_BATCH_IMAGES = 16
"""At 448 px a batch of 64 would hold a gigabyte in the outputs of a few layers."""


@dataclass(frozen=True)
class Scorer:
    """A detector file that scores images.

    Attributes:
        folder: of the saved detector.
        onnx_file: its ONNX file, checked against the card.
        sha256: of the file.
    """

    name: str
    folder: Path
    onnx_file: Path
    sha256: str
    image_size: int
    crop: str
    calibration: Calibration

    @property
    def cache_folder(self) -> Path:
        return self.folder / RESULT_CACHE_FOLDER

    @functools.cached_property
    def score(self) -> onnx_models.OnnxRunner:
        """Pixels (n, image_size, image_size, 3), 0..255, to probabilities of *generated*, (n,)."""
        ask = onnx_models.open_onnx_streams(self.onnx_file)

        def probabilities(pixels: np.ndarray) -> np.ndarray:
            return ask(pixels.astype(np.float32))[:, 0]

        return probabilities

    def compute_cache_key(self, records: Sequence[FaceRecord]) -> list[object]:
        """Return the cache key of this detector's scores for these images."""
        libraries = [
            *extractor.list_engine_versions("onnxruntime"),
            *extractor.list_engine_versions("keras"),
        ]
        seen = [self.sha256, canonical.CANONICALISER_VERSION, self.image_size, self.crop]
        return [*seen, libraries, [record.id for record in records]]


def load_scorers(folder: Path, card: Card) -> list[Scorer]:
    """Load the detector in a folder, and its baselines that score images.

    Raises:
        PlainError: a file is missing, or is not the one that was saved.
    """
    files = {card.name: (saved_models.ONNX_FILE, card.calibration)}
    files |= {
        name: (baseline.file, baseline.calibration)
        for name, baseline in card.baselines.items()
        if baseline.file and baseline.calibration
    }
    return [
        Scorer(
            name,
            folder,
            saved_models.verify_model_file(folder, card, file),
            card.sha256[file],
            card.image_size,
            card.crop,
            calibration,
        )
        for name, (file, calibration) in files.items()
    ]


def score_images(
    folder: Path, records: Sequence[FaceRecord], asked: Sequence[Scorer]
) -> list[np.ndarray]:
    """Probabilities of *generated* for view 0 of the records, one array (images,) for each
    detector.

    Args:
        folder: base of the records' paths.

    Raises:
        PlainError: an image was altered since it was collected, or a detector answers with
            something that is no number.
    """
    chunks = [
        records[start : start + SCORES_CHUNK_IMAGES]
        for start in range(0, len(records), SCORES_CHUNK_IMAGES)
    ]
    found: list[list[np.ndarray]] = [[] for _ in asked]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in console.track_progress(
            chunks, f"judging images by {len(asked)} detectors", len(chunks)
        ):
            pixels = functools.cache(functools.partial(_load_pixels, pool, folder, chunk))
            for answers, scorer in zip(found, asked, strict=True):
                make = functools.partial(_score_pixels, scorer, pixels)
                answers.append(
                    load_or_compute(
                        scorer.cache_folder, "scores", scorer.compute_cache_key(chunk), make
                    )["probabilities"]
                )
    return [
        _check_finite_scores(np.concatenate(answers), scorer)
        for answers, scorer in zip(found, asked, strict=True)
    ]


def _load_pixels(
    pool: concurrent.futures.Executor,
    folder: Path,
    records: Sequence[FaceRecord],
    size: int,
    crop: str,
) -> np.ndarray:
    rows = (replace(record, crop=crop) for record in records)
    return np.stack(
        list(pool.map(lambda row: feature_pixels.load_canonical_view(folder, row, size, 0), rows))
    )


def _score_pixels(
    scorer: Scorer, pixels: Callable[[int, str], np.ndarray]
) -> dict[str, np.ndarray]:
    wanted = pixels(scorer.image_size, scorer.crop)
    parts = [
        scorer.score(wanted[start : start + SCORING_BATCH_IMAGES])
        for start in range(0, len(wanted), SCORING_BATCH_IMAGES)
    ]
    return {"probabilities": np.concatenate(parts)}


def _check_finite_scores(probabilities: np.ndarray, scorer: Scorer) -> np.ndarray:
    broken = int(np.sum(~np.isfinite(probabilities)))
    if broken:
        raise console.PlainError(
            f"{scorer.name} gave no number for {broken} of {len(probabilities)} images; it is broken, train again.",
            console.EXIT_BAD_MODEL,
        )
    return probabilities.astype(np.float64)
