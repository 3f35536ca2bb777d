"""Score images with saved detectors; scores are cached on disk beside each detector."""

import abc
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
from runtime.terminal.counting import format_count
from training.cuts.operating_point import Calibration
from training.detectors import ready_detectors, saved_models
from training.detectors.card import Card
from training.features import extractor
from training.features import pixels as feature_pixels
from training.onnx_files import onnx_models
from validation.result_cache import RESULT_CACHE_FOLDER, ArraysByName, load_or_compute

SCORES_CHUNK_IMAGES = 64
"""Number of images after which the probabilities are saved."""

SCORING_BATCH_IMAGES = 16
"""At 448 px a batch of 64 would need a gigabyte for the outputs of a few layers."""


@dataclass(frozen=True, kw_only=True)
class ImageScorer(abc.ABC):
    """Scores images by their pixels; its scores are cached beside a detector.

    Attributes:
        folder: folder of the saved detector that the cache lies beside.
        sha256: hash of its ONNX file.
        qualities: JPEG qualities at which it judges an image.
    """

    name: str
    folder: Path
    sha256: str
    image_size: int
    crop: str
    qualities: tuple[int, ...]

    @property
    def cache_folder(self) -> Path:
        return ready_detectors.find_writable_folder(self.folder) / RESULT_CACHE_FOLDER

    @property
    @abc.abstractmethod
    def score(self) -> onnx_models.OnnxRunner:
        """From pixels (n, image_size, image_size, 3), 0..255, to probabilities (n,)."""

    @property
    @abc.abstractmethod
    def advice(self) -> str:
        """Advice for a score that is not a probability."""

    def compute_cache_key(self, records: Sequence[FaceRecord]) -> list[object]:
        """Return the cache key of this detector's scores for these images."""
        libraries = [
            *extractor.list_engine_versions("onnxruntime"),
            *extractor.list_engine_versions("keras"),
        ]
        inputs = [
            self.sha256,
            canonical.CANONICALISER_VERSION,
            canonical.DECODER_VERSION,
            self.image_size,
            self.crop,
        ]
        inputs += self.qualities
        return [*inputs, libraries, [record.id for record in records]]


@dataclass(frozen=True, kw_only=True)
class Scorer(ImageScorer):
    """A detector, or a baseline of one, that scores images.

    Attributes:
        read_model: returns the bytes of its ONNX file, checked against the card.
    """

    read_model: Callable[[], bytes]
    calibration: Calibration
    advice = "Train again."

    @functools.cached_property
    def score(self) -> onnx_models.OnnxRunner:
        run_onnx = onnx_models.open_onnx_streams(self.read_model())

        def score_pixels(pixels: np.ndarray) -> np.ndarray:
            answers = run_onnx(pixels.astype(np.float32))
            return onnx_models.select_probabilities(answers, len(pixels))

        return score_pixels


def load_scorers(folder: Path, card: Card) -> list[Scorer]:
    """Load the detector in a folder, and its baselines that score images.

    Raises:
        PlainError: a file is missing or was altered.
    """
    files = {card.name: (saved_models.ONNX_FILE, card.calibration)}
    files |= {
        name: (baseline.file, baseline.calibration)
        for name, baseline in card.baselines.items()
        if baseline.file and baseline.calibration
    }
    for file, _ in files.values():
        saved_models.verify_model_file(folder, card, file)  # told before hours of work
    return [
        Scorer(
            name=name,
            folder=folder,
            read_model=functools.partial(saved_models.read_verified_model, folder, card, file),
            sha256=card.sha256[file],
            image_size=card.image_size,
            crop=card.crop,
            qualities=card.qualities,
            calibration=calibration,
        )
        for name, (file, calibration) in files.items()
    ]


def score_images(
    folder: Path, records: Sequence[FaceRecord], scorers: Sequence[ImageScorer]
) -> list[np.ndarray]:
    """Return the probabilities of *generated* of every record, (images, qualities) per scorer.

    Args:
        folder: base of the records' paths.

    Raises:
        PlainError: an image was altered since it was collected, or a score is not a finite number.
    """
    chunks = [
        records[start : start + SCORES_CHUNK_IMAGES]
        for start in range(0, len(records), SCORES_CHUNK_IMAGES)
    ]
    scores: list[list[np.ndarray]] = [[] for _ in scorers]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in console.track_progress(
            chunks, f"scoring images with {format_count(len(scorers), 'detector')}", len(chunks)
        ):
            load_pixels = functools.cache(functools.partial(_load_pixels, pool, folder, chunk))
            for scorer_chunks, scorer in zip(scores, scorers, strict=True):
                arrays = load_or_compute(
                    scorer.cache_folder,
                    "scores",
                    scorer.compute_cache_key(chunk),
                    functools.partial(_score_chunk, scorer, load_pixels),
                )
                scorer_chunks.append(arrays["probabilities"])
    return [
        _check_finite_scores(np.concatenate(scorer_chunks), scorer)
        for scorer_chunks, scorer in zip(scores, scorers, strict=True)
    ]


def _load_pixels(
    pool: concurrent.futures.Executor,
    folder: Path,
    records: Sequence[FaceRecord],
    size: int,
    crop: str,
    qualities: tuple[int, ...],
) -> np.ndarray:
    cropped = (replace(record, crop=crop) for record in records)

    def load_image(record: FaceRecord) -> np.ndarray:
        return feature_pixels.load_judgement_pixels(folder, record, size, qualities)

    return np.concatenate(list(pool.map(load_image, cropped)))


def _score_chunk(
    scorer: ImageScorer, load_pixels: Callable[[int, str, tuple[int, ...]], np.ndarray]
) -> ArraysByName:
    pixels = load_pixels(scorer.image_size, scorer.crop, scorer.qualities)
    batches = [
        scorer.score(pixels[start : start + SCORING_BATCH_IMAGES])
        for start in range(0, len(pixels), SCORING_BATCH_IMAGES)
    ]
    return {"probabilities": np.concatenate(batches).reshape(-1, len(scorer.qualities))}


def _check_finite_scores(probabilities: np.ndarray, scorer: ImageScorer) -> np.ndarray:
    n_invalid = int(np.sum(~np.isfinite(probabilities).all(axis=1)))
    if n_invalid:
        raise console.PlainError(
            f"{scorer.name} gave no valid score for {n_invalid} of {len(probabilities)} images, "
            f"so it is broken. {scorer.advice}",
            console.EXIT_BAD_MODEL,
        )
    return probabilities.astype(np.float64)
