"""What the page and its programs are told of a picture: the verdict in words, and everything that helps to read it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_collection import checked_json, console, face_crop, face_images, package_index, pages
from data_collection.face_images import Face
from detection import provenance
from detection.predictor import Detection, Detector, Prepared
from training.calibration import DOUBT
from validation import pictures
from validation.explainer import Explainer, Similar

SHOWN, THUMBNAIL = 448, 96

STATUS = {face_images.UnknownFormat: 415, face_images.NotOneFace: 422, face_images.UnreadableImage: 422}
"""HTTP status of pictures that cannot be judged, by why."""

HEADLINES = {
    "generated": "Looks generated",
    "real": "Looks like a photograph",
    DOUBT: "Can't tell",
}


class NoAnswer(Exception):
    """The detector gave no number."""


class Answers:
    """Judges pictures for the page with one detector, and its heat maps if it has any."""

    def __init__(self, detector: Detector):
        self.detector = detector
        self._looks_for_faces = detector.card.crop != "face" and package_index.is_kept(face_crop.CARRIER)
        try:
            self.explainer, self.no_maps = Explainer.load(detector.folder, detector.card), ""
        except console.PlainError as error:
            self.explainer, self.no_maps = None, str(error)

    def about(self) -> dict[str, Any]:
        """What the page says before anything is judged."""
        card, band = self.detector.card, self.detector.card.calibration
        return {
            "detector": card.name,
            "created": card.created[:10],
            "base": card.base["name"],
            "image_size": card.image_size,
            "real_below": band.real_below,
            "generated_above": band.generated_above,
            "expectation": band.expectation(),
            "trained_on": _trained_on(card.dataset),
            "banner": card.banner,
            "limits": _limits(self.detector.folder),
            "no_heat_maps": self.no_maps,
        }

    def prepared(self, data: bytes) -> Prepared:
        return self.detector.decode(data, Path())

    def of(self, picture: Prepared, explain: bool = True) -> dict[str, Any]:
        """The answer to a picture that could be decoded, JSON serialisable.

        Args:
            explain: whether with heat map and similar training faces.
        """
        found = self.detector.judged([picture])[0]
        if found.error:
            raise NoAnswer(found.error)
        answer = {
            "verdict": found.verdict,
            "headline": HEADLINES.get(found.verdict, ""),
            "probability": found.probability,
            "sentence": self._sentence(found),
            "detector": self.detector.card.name,
            "sha256": found.sha256,
            "claims": [asdict(claim) for claim in found.claims],
            "caveat": provenance.CAVEAT if found.claims else "",
            "done": done(picture.face, self.detector.card.image_size, self.detector.card.crop),
            "warnings": [*self._faces(picture.face), *warnings(picture.face, self.detector.card.image_size)],
        }
        return answer | (self._explained(picture) if explain else {})

    def _faces(self, face: Face) -> list[str]:
        """A warning if it does not show just one face; without a face detector in the cache nobody looks."""
        try:
            if self._looks_for_faces:
                face_crop.crop(face.square)
        except face_crop.NoSingleFace as error:
            return [f"{str(error).capitalize()} in it: the detector knows nothing but pictures of one face, and may err."]
        return []

    def _sentence(self, found: Detection) -> str:
        band, percent = self.detector.card.calibration, _percent(found.probability)
        if found.verdict == DOUBT:
            return (
                f"The probability of “generated” is {percent}, between {band.real_below:.0%} and {band.generated_above:.0%}, "
                "where this detector errs too often to answer."
            )
        return f"The probability of “generated” is {percent}. {band.expectation()} This is an opinion, no proof."

    def _explained(self, picture: Prepared) -> dict[str, Any]:
        square = picture.face.square.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)
        answer = {"judged_square": _data_uri(square), "heat_map": "", "no_heat_map": self.no_maps, "similar": []}
        if self.explainer:
            look = self.explainer.look(picture.pixels[None].astype(np.float32))
            answer["heat_map"] = _data_uri(pictures.under_map(square, look.maps[0]))
            answer["similar"] = list(filter(None, map(_shown, self.explainer.similar(look.features[0]))))
        return answer


def _percent(probability: float) -> str:
    """Never the certainty that rounding would make of it."""
    if probability > 0.99:
        return "over 99%"
    return "under 1%" if probability < 0.01 else f"{probability:.0%}"


def done(face: Face, side: int, crop: str) -> list[str]:
    """What was done to a picture before it was judged, in order."""
    cut = {"centre": "The centre square was cut out", "face": "The square around its only face was cut out"}[crop]
    steps = [f"Decoded: {face.format}, {face.width} x {face.height} pixels, {face.mode}."]
    if face.frames > 1:
        steps.append("Only the first of its frames was looked at.")
    if face.width != face.height or crop != "centre":
        steps.append(f"{cut}: {face.square.width} x {face.square.width} pixels.")
    change = "enlarged" if face.square.width < side else "shrunk"
    resized = f"It was {change} to {side} x {side} pixels and saved" if face.square.width != side else "It was saved"
    return [*steps, f"{resized} once as JPEG, without metadata, as every training image was."]


def warnings(face: Face, side: int) -> list[str]:
    """Why this picture may be judged worse than others."""
    found = []
    if face.square.width < side:
        found.append(f"It has fewer pixels than the detector looks at ({face.square.width} instead of {side}).")
    if face.quality is not None and face.quality < 50:
        found.append(f"It was saved as a poor JPEG (quality about {face.quality}), which hides traces.")
    return found


def _trained_on(dataset: dict[str, Any]) -> str:
    images = dataset["images"]["train"]
    return f"{images['real']:,} photographs and {images['generated']:,} generated faces of “{Path(dataset['folder']).name}”"


def _limits(folder: Path) -> list[str]:
    """What the report of python -m validation says the detector is not to be used for; empty without one."""
    try:
        limits = checked_json.parsed((folder / "report" / "metrics.json").read_bytes())["limits"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(each) for each in limits]


def _shown(similar: Similar) -> dict[str, Any] | None:
    """None if the picture is not there any more."""
    try:
        with Image.open(similar.file, formats=("JPEG",)) as image:
            small = image.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError):
        return None
    told = {"label": similar.label, "source": similar.source, "distance": round(similar.distance, 3)}
    return told | {"picture": _data_uri(small)}


def _data_uri(picture: Image.Image) -> str:
    return pages.data_uri(pictures.jpeg(picture))
