"""A saved detector for single pictures and whole folders: onnxruntime only, no TensorFlow."""

import collections
import concurrent.futures
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from data_collection import face_images
from data_collection.face_images import Face
from detection import provenance
from detection.provenance import Claim
from training import onnx_files, saved_models
from training.saved_models import Card

TOO_LARGE = f"larger than {face_images.MAX_BYTES // 1_000_000} MB"

SMALLEST = 32
"""Side of the smallest square that is judged, in pixels."""

NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Detection:
    """What a detector says of one picture.

    Attributes:
        path: as it was given.
        verdict: "generated", "real" or "can't tell"; empty if the picture could not be judged.
        probability: calibrated probability of *generated*; None if the picture could not be judged.
        error: why it could not be judged, in words; empty otherwise.
        sha256: of the file's bytes, in hexadecimal; empty if they could not be read.
        claims: what the file says of its own making; the verdict does not depend on it.
    """

    path: Path
    verdict: str = ""
    probability: float | None = None
    error: str = ""
    sha256: str = ""
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A picture on its way to the detector.

    Attributes:
        detection: all that is known before it is judged.
        face: as it was decoded.
        pixels: what the detector sees of it, uint8 (side, side, 3); empty if there is nothing to judge.
        refused: which error says that it cannot be judged, if one does; the error itself would hold the decoded picture.
    """

    detection: Detection
    face: Face | None = None
    pixels: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))
    refused: type[face_images.UnreadableImage] | None = None


class Detector:
    """A loaded detector.

    Example:
        >>> Detector.load("saved_models/faces-1").predict("photo.jpg").verdict
    """

    def __init__(self, folder: Path, card: Card, one_face: bool = False):
        self.folder, self.card, self.one_face = folder, card, one_face
        self._model = saved_models.read_intact(folder, card, saved_models.ONNX_FILE)  # the file may change meanwhile
        if one_face or card.crop == "face":
            from data_collection import face_crop

            face_crop.load_detector()  # a missing network is told now, not at every picture

    @classmethod
    def load(cls, folder: str | Path, one_face: bool = False) -> "Detector":
        """Opens a saved detector.

        Args:
            one_face: whether it refuses pictures in which a face detector does not find just one face.

        Raises:
            PlainError: it is missing, or a file of it was altered since it was saved; or a face detector is needed and cannot
                be fetched.
        """
        folder = Path(folder)
        return cls(folder, saved_models.read_card(folder), one_face)

    def predict(self, path: str | Path) -> Detection:
        """Judges one file; if it cannot be read, the Detection says why."""
        return self.judged([self.read(Path(path))])[0]

    def predict_all(self, paths: Iterable[Path], known: Mapping[str, float] = NOTHING) -> Iterator[Detection]:
        """Judges files in order, every core its own few at a time; holds no more than are being worked on.

        Args:
            known: probabilities by sha256 of the file; such a file is not decoded again.
        """
        alone, cores, paths = onnx_files.runner(self._model, threads=1), os.cpu_count() or 1, iter(paths)

        def work(batch: Sequence[Path]) -> list[Detection]:
            # Without the decoded pictures: four of 25 megapixels on every core are gigabytes.
            return self.judged([replace(self.read(path, known), face=None) for path in batch], alone)

        waiting: collections.deque[concurrent.futures.Future] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(cores) as pool:
            try:
                while batch := list(itertools.islice(paths, onnx_files.PART)):
                    waiting.append(pool.submit(work, batch))
                    if len(waiting) > 2 * cores:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)  # the reader may have stopped before the end

    @functools.cached_property
    def _together(self) -> onnx_files.Runner:
        """Pixels float32 (n, side, side, 3), 0..255, to probabilities (n, 1), with all cores on one batch."""
        return onnx_files.runner(self._model)

    def read(self, path: Path, known: Mapping[str, float] = NOTHING) -> Prepared:
        """Reads a file and decodes it as training did; what cannot be judged has an error in its Detection."""
        try:
            if not path.is_file():
                return Prepared(Detection(path, error=_why_no_file(path)))
            if path.stat().st_size > face_images.MAX_BYTES:
                return Prepared(Detection(path, error=TOO_LARGE))
            return self.decode(path.read_bytes(), path, known)
        except OSError as error:
            return Prepared(Detection(path, error=f"cannot be read: {error.strerror}"))

    def decode(self, data: bytes, path: Path, known: Mapping[str, float] = NOTHING) -> Prepared:
        """The same for the bytes of a picture."""
        if len(data) > face_images.MAX_BYTES:
            return Prepared(Detection(path, error=TOO_LARGE))
        detection = Detection(path, sha256=face_images.content_id(data), claims=tuple(provenance.read(data)))
        if detection.sha256 in known:
            return Prepared(self._answer(detection, known[detection.sha256]))
        try:
            face = self._judgeable(face_images.decode(data, self.card.crop))
        except face_images.NotOneFace as error:
            return Prepared(replace(detection, error=f"{error}; the detector judges pictures of one face"), refused=type(error))
        except face_images.UnreadableImage as error:
            return Prepared(replace(detection, error=str(error)), refused=type(error))
        return Prepared(detection, face, face_images.canonical_face(face, detection.sha256, self.card.image_size))

    def _judgeable(self, face: Face) -> Face:
        side = face.square.width
        if side < SMALLEST:
            raise face_images.UnreadableImage(f"its square has {side} pixels a side, too few to judge")
        if face_images.is_single_colour(face):
            raise face_images.UnreadableImage("it is one flat colour; there is nothing to judge")
        if self.one_face and self.card.crop != "face":
            face_images.CROPS["face"](face.square)  # raises NotOneFace
        return face

    def judged(self, pictures: Sequence[Prepared], run: onnx_files.Runner | None = None) -> list[Detection]:
        """Answers for pictures, in one batch; `run` instead of all cores together."""
        seen = [picture.pixels for picture in pictures if picture.pixels.size]
        found = iter((run or self._together)(np.stack(seen).astype(np.float32))[:, 0] if seen else ())
        return [self._answer(each.detection, float(next(found))) if each.pixels.size else each.detection for each in pictures]

    def _answer(self, detection: Detection, probability: float) -> Detection:
        if not np.isfinite(probability):
            return replace(detection, error="the detector gave no number for it")
        return replace(detection, verdict=self.card.calibration.verdict(probability), probability=probability)


def _why_no_file(path: Path) -> str:
    if path.is_dir():
        return "this folder cannot be looked through"
    return "not a file" if path.exists() else "no such file"
