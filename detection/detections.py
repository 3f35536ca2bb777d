"""Detection, the result for one image, and the image on its way to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from data_collection.images import errors
from data_collection.images.decode import DecodedFace
from detection.face_check import Square
from detection.provenance.claims import Claim
from training.attribution.attribution import GeneratorAnswer, NearestGenerator
from training.cuts.statement import DetectorStatement
from training.cuts.verdicts import Verdict
from validation.explanations.similar_faces import SimilarFace


@dataclass(frozen=True)
class ProbabilityRange:
    """Probability of *generated* of one image, and its lowest and highest at any JPEG quality."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class JudgedSquare:
    """The detector's answer to one square: its probabilities, and the nearest known generator if
    the detector names generators."""

    range: ProbabilityRange
    nearest: NearestGenerator | None = None


@dataclass(frozen=True)
class Box:
    """The square of a face that was judged, in whole pixels of the upright image at its full size;
    it lies within the image."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class FaceDetection:
    """The result for one face of an image.

    Attributes:
        box: the square that was judged.
        verdict, probability, low, high, generator: as those of Detection; empty and None if the
            image could not be judged.
    """

    box: Box
    verdict: Verdict | Literal[""] = ""
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    generator: GeneratorAnswer | None = None

    @property
    def range(self) -> ProbabilityRange:
        """Its probabilities, once it was judged."""
        return ProbabilityRange(self.probability, self.low, self.high)


@dataclass(frozen=True)
class KnownAnswer:
    """Everything that decides the answer to an image that was judged before.

    Attributes:
        probabilities: of every judged square.
        boxes: of its faces, each of which is a judged square; none if it shows no face.
        passed_over: as that of Detection.
        generators: the nearest one of every judged square that was called generated, None for each
            other; empty if there is none.
    """

    probabilities: tuple[ProbabilityRange, ...]
    boxes: tuple[Box, ...] = ()
    passed_over: int = 0
    warnings: tuple[str, ...] = ()
    generators: tuple[NearestGenerator | None, ...] = ()


NO_KNOWN_ANSWERS: Mapping[str, KnownAnswer] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The result for one image.

    Attributes:
        path: as given.
        verdict: "generated", "real" or "can't tell"; empty if the image could not be judged. With
            several faces, that of the most suspicious one; never "real" if one was passed over.
        probability: calibrated probability of *generated*, if half of all images were; None if the
            image could not be judged. With several faces, that of the most suspicious one.
        low, high: the probability at the JPEG qualities where it is lowest and highest.
        at_prevalence: the probability where the share of generated images is the detector's
            prevalence; None if it was given none.
        faces: the judged faces, the largest first; empty if none was found, None if the image was
            not looked at.
        passed_over: number of faces that were not judged, because they are too many or too small.
        generator: the known generator that is closest, or none of them, of an image (with several
            faces, of the most suspicious one) that is called generated; None otherwise, and by a
            detector that names no generators.
        statement: what the answer is worth if it is about several faces, for which the cuts are
            stricter; None if what the detector states is true of it.
        warnings: why the detector may be less reliable on it, in sentences.
        error: why the image could not be judged; empty otherwise.
        sha256: hash of the file's bytes, in hexadecimal; empty if they could not be read.
        claims: what the file's metadata claims about its origin; the verdict does not depend on it.
        similar: with --explain, the most similar training faces, the nearest first; empty if the
            detector has none.
    """

    path: Path
    verdict: Verdict | Literal[""] = ""
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    at_prevalence: float | None = None
    error: str = ""
    sha256: str = ""
    claims: tuple[Claim, ...] = ()
    faces: tuple[FaceDetection, ...] | None = None
    passed_over: int = 0
    warnings: tuple[str, ...] = ()
    statement: DetectorStatement | None = None
    generator: GeneratorAnswer | None = None
    similar: tuple[SimilarFace, ...] = ()

    @property
    def most_suspicious(self) -> int:
        """Index of the judged square whose probabilities are the image's."""
        whole = ProbabilityRange(self.probability, self.low, self.high)
        ranges = [face.range for face in self.faces or ()]
        return ranges.index(whole) if whole in ranges else 0


@dataclass(frozen=True)
class PreparedImage:
    """An image that is ready for the detector.

    Attributes:
        detection: everything known before the image is judged.
        face: the decoded image: the judged square; the whole picture if several are judged.
        squares: those within the whole picture, in pixels; empty if only one is judged.
        pixels: the network's inputs, uint8 (squares * qualities, side, side, 3); empty if there is
            nothing to judge.
        rejection: type of the error for which it cannot be judged, if any. The error itself would
            keep the decoded image in memory.
    """

    detection: Detection
    face: DecodedFace | None = None
    squares: tuple[Square, ...] = ()
    pixels: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))
    rejection: type[errors.UnreadableImage] | None = None

    def cut_out_square(self, index: int) -> DecodedFace:
        """Return one of the judged squares."""
        if not self.squares:
            return self.face
        return replace(self.face, square=self.face.square.crop(self.squares[index]))

    def select_pixels(self, index: int) -> np.ndarray:
        """Return the network's inputs of one of the judged squares, (qualities, side, side, 3)."""
        return np.split(self.pixels, max(1, len(self.squares)))[index]
