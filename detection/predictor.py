"""A saved detector for single images: onnxruntime only, no TensorFlow."""

import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import face_images
from training import saved_models
from training.saved_models import Card

BATCH = 8


@dataclass(frozen=True)
class Detection:
    """What a detector says of one file.

    Attributes:
        path: as it was given.
        verdict: "generated", "real" or "can't tell"; empty if the file could not be judged.
        probability: calibrated probability of *generated*; None if the file could not be judged.
        error: why it could not be judged, in words; empty otherwise.
    """

    path: Path
    verdict: str = ""
    probability: float | None = None
    error: str = ""


class Detector:
    """A loaded detector.

    Example:
        >>> Detector.load("saved_models/faces-1").predict("photo.jpg").verdict
    """

    def __init__(self, card: Card, run: Callable[[np.ndarray], np.ndarray]):
        self.card = card
        self._run = run

    @classmethod
    def load(cls, folder: str | Path) -> "Detector":
        """Opens a saved detector.

        Raises:
            PlainError: it is missing, or a file of it was altered since it was saved.
        """
        folder = Path(folder)
        card = saved_models.read_card(folder)
        return cls(card, saved_models.open_onnx(folder, card))

    def predict(self, path: str | Path) -> Detection:
        return next(self.predict_all([Path(path)]))

    def predict_all(self, paths: Iterable[Path]) -> Iterator[Detection]:
        """Judges files in order, a batch at a time; a file that cannot be read becomes a Detection with an error."""
        paths = iter(paths)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            while batch := list(itertools.islice(paths, BATCH)):
                faces = list(pool.map(self._pixels, batch))
                readable = [face for face in faces if isinstance(face, np.ndarray)]
                scores = iter(self._run(np.stack(readable)) if readable else ())
                for path, face in zip(batch, faces, strict=True):
                    yield self._detection(path, float(next(scores))) if isinstance(face, np.ndarray) else face

    def _pixels(self, path: Path) -> np.ndarray | Detection:
        try:
            if not path.is_file():
                return Detection(path, error="not a file" if path.exists() else "no such file")
            if path.stat().st_size > face_images.MAX_BYTES:
                return Detection(path, error=f"larger than {face_images.MAX_BYTES // 1_000_000} MB")
            data = path.read_bytes()
            face = face_images.decode(data, self.card.crop)
            return face_images.canonical_face(face, face_images.content_id(data), self.card.image_size)
        except face_images.NotOneFace as error:
            return Detection(path, error=f"{error}; the detector judges pictures of one face")
        except face_images.UnreadableImage as error:
            return Detection(path, error=str(error))
        except OSError as error:
            return Detection(path, error=f"cannot be read: {error.strerror}")

    def _detection(self, path: Path, probability: float) -> Detection:
        if not np.isfinite(probability):
            return Detection(path, error="the detector gave no number for it")
        return Detection(path, self.card.calibration.verdict(probability), probability)
