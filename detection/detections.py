"""Detection, the result for one image, and the image on its way to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from data_collection.images import errors
from data_collection.images.decode import DecodedFace
from detection.provenance.claims import Claim
from training.cuts.verdicts import Verdict


@dataclass(frozen=True)
class ProbabilityRange:
    """Probability of *generated* of one image, and its lowest and highest at any JPEG quality."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class KnownAnswer:
    """The probabilities of an image that was judged before, and its warnings."""

    probability: ProbabilityRange
    warnings: tuple[str, ...] = ()


NO_KNOWN_ANSWERS: Mapping[str, KnownAnswer] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The result for one image.

    Attributes:
        path: as given.
        verdict: "generated", "real" or "can't tell"; empty if the image could not be judged.
        probability: calibrated probability of *generated*, if half of all images were; None if the
            image could not be judged.
        low, high: the probability at the JPEG qualities where it is lowest and highest.
        at_prevalence: the probability where the share of generated images is the detector's
            prevalence; None if it was given none.
        faces: number of faces that were found; None if the image was not looked at.
        warnings: why the detector may be less reliable on it, in sentences.
        error: why the image could not be judged; empty otherwise.
        sha256: hash of the file's bytes, in hexadecimal; empty if they could not be read.
        claims: what the file's metadata claims about its origin; the verdict does not depend on it.
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
    faces: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparedImage:
    """An image that is ready for the detector.

    Attributes:
        detection: everything known before the image is judged.
        face: the decoded image.
        pixels: the network's inputs, uint8 (qualities, side, side, 3); empty if there is nothing
            to judge.
        rejection: type of the error for which it cannot be judged, if any. The error itself would
            keep the decoded image in memory.
    """

    detection: Detection
    face: DecodedFace | None = None
    pixels: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint8))
    rejection: type[errors.UnreadableImage] | None = None
