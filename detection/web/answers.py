"""Build the page's answer to an image: the verdict in words, and what helps to interpret it."""

import functools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_collection.images import errors
from data_collection.images.decoding_pool import (
    COMMAND_POOL,
    DecodingPool,
    DecodingProcess,
    TookTooLong,
)
from detection.detections import Detection, PreparedImage
from detection.evidence.build import PictureReader, judge_and_record
from detection.evidence.page import render_page
from detection.html_report.thumbnails import draw_while_decoding
from detection.output.json_answers import build_generator_answer, list_faces
from detection.output.probability import describe_probability
from detection.predictor import Detector
from detection.provenance import claims
from detection.web.preprocessing import describe_preprocessing
from detection.web.turns import EndedForOthers
from runtime import console, html_pages
from training.cuts.verdicts import ABSTAIN, GENERATED, REAL, VERDICTS
from training.detectors import ready_detectors
from training.detectors.card_fields import DatasetDescription
from training.final_detector.next_steps import find_next_steps
from validation.explanations import image_panels
from validation.explanations.explainer import Explainer
from validation.explanations.similar_faces import SimilarFace
from validation.report import report_files

SHOWN_SIDE_PX, MAX_PICTURE_SIDE_PX, THUMBNAIL_SIDE_PX = 448, 1200, 96

HTTP_STATUS_BY_ERROR = {
    errors.UnknownImageFormat: 415,
    errors.NoSingleFace: 422,
    errors.UnreadableImage: 422,
    errors.NotEnoughMemory: 503,
    TookTooLong: 422,
    EndedForOthers: 503,
}
"""HTTP status for images that cannot be judged, by error."""

SCALE_ORDER = (REAL, ABSTAIN, GENERATED)
"""Verdicts from the smallest probability to the largest."""


class NoProbabilityError(Exception):
    """The detector did not return a number."""


class PageAnswers:
    """Judge images for the page with one detector, with heat maps and similar training faces if it
    has an explainer."""

    def __init__(self, detector: Detector, pool: DecodingPool = COMMAND_POOL):
        self.detector, self._pool = detector, pool
        self._is_ready = ready_detectors.is_ready_detector(detector.folder)
        try:
            self.explainer = Explainer.load(detector.folder, detector.card)
            self.no_heat_maps_reason = self.explainer.no_heat_maps_reason
        except console.PlainError as error:
            self.explainer, self.no_heat_maps_reason = None, str(error)

    def describe_detector(self) -> dict[str, Any]:
        """Return what the page shows before any image is judged."""
        card, statement = self.detector.card, self.detector.statement
        return {
            "detector": card.name,
            "detector_reason": statement.detector_reason,
            "calibration": statement.calibration,
            "created": card.created[:10],
            "base": card.base_names,
            "image_size": card.image_size,
            "real_below": statement.real_below,
            "generated_above": statement.generated_above,
            "verdicts": [
                {"verdict": verdict, "tone": VERDICTS[verdict].tone} for verdict in SCALE_ORDER
            ],
            "worth": statement.list_sentences(),
            "trained_on": _describe_training_data(card.dataset),
            "banner": card.banner,
            "limits": report_files.load_limits(self.detector.folder),
            "next_steps": [asdict(step) for step in find_next_steps(card, self._is_ready)],
            "no_heat_maps": self.no_heat_maps_reason,
        }

    def decode_image(
        self,
        data: bytes,
        any_picture: bool = False,
        announce: Callable[[DecodingProcess | None], None] = lambda process: None,
        drawn: list[bytes] | None = None,
    ) -> PreparedImage:
        """Decode an image.

        Args:
            announce: called with the process that does it.
            drawn: gets a thumbnail of the whole picture, a JPEG, if it can be decoded.
        """
        decode_whole = functools.partial(self._pool.decode_whole, announce=announce)
        if drawn is not None:
            decode_whole = draw_while_decoding(decode_whole, drawn)
        return self.detector.decode_image(
            data, Path(), any_picture=any_picture, decode_whole=decode_whole
        )

    def build_evidence(
        self,
        data: bytes,
        name: str,
        any_picture: bool = False,
        announce: Callable[[DecodingProcess | None], None] = lambda process: None,
    ) -> tuple[PreparedImage, bytes]:
        """Return a decoded image and the page of evidence about it; empty if it is not judged.

        Args:
            name: of its file.
        """
        reader = PictureReader(functools.partial(self._pool.decode_whole, announce=announce))
        image, detection, record = judge_and_record(
            self.detector, data, Path(name), any_picture, reader
        )
        if detection.error and not image.rejection:
            raise NoProbabilityError(detection.error)
        return image, render_page(record) if record else b""

    def build_answer(self, image: PreparedImage, explain: bool = True) -> dict[str, Any]:
        """Return the answer to a decoded image, ready for JSON.

        Args:
            explain: whether to add the heat map and similar training faces.
        """
        detection = self.detector.detect_batch([image])[0]
        if detection.error:
            raise NoProbabilityError(detection.error)
        statement = detection.statement or self.detector.statement
        answer = {
            "verdict": detection.verdict,
            "headline": VERDICTS[detection.verdict].headline,
            "probability": detection.probability,
            "low": detection.low,
            "high": detection.high,
            "sentence": describe_probability(detection),
            **asdict(statement),
            "worth": statement.list_sentences(),
            "sha256": detection.sha256,
            "generator": build_generator_answer(detection),
            "generator_words": detection.generator.describe() if detection.generator else "",
            "claims": [asdict(claim) for claim in detection.claims],
            "caveat": claims.CLAIMS_CAVEAT if detection.claims else "",
            "faces": list_faces(detection),
            "preprocessing": describe_preprocessing(image, self.detector.card),
            "warnings": list(detection.warnings),
        }
        return answer | (self._render_explanation(image, detection) if explain else {})

    def _render_explanation(self, image: PreparedImage, detection: Detection) -> dict[str, Any]:
        shown = image.cut_out_square(detection.most_suspicious).square
        square = shown.resize((SHOWN_SIDE_PX, SHOWN_SIDE_PX), Image.Resampling.LANCZOS)
        answer = {
            "judged_square": _encode_data_uri(square),
            "picture": render_faces_picture(image),
            "heat_map": "",
            "no_heat_map": self.no_heat_maps_reason,
            "similar": [],
        }
        if self.explainer:
            pixels = image.select_pixels(detection.most_suspicious)[:1]
            explanation = self.explainer.compute_attribution(pixels.astype(np.float32))
            if not self.no_heat_maps_reason:
                answer["heat_map"] = _encode_data_uri(
                    image_panels.overlay_heat_map(square, explanation.maps[0])
                )
            similar = self.explainer.find_similar(explanation.features[0])
            answer["similar"] = list(filter(None, map(_render_similar_face, similar)))
        return answer


def render_faces_picture(image: PreparedImage) -> dict[str, Any] | None:
    """Return a picture of several faces for the page, with the size in which their boxes are
    given; None for a picture of one."""
    if not image.squares:
        return None
    whole = image.face.square
    shown = whole.copy()
    shown.thumbnail((MAX_PICTURE_SIDE_PX, MAX_PICTURE_SIDE_PX), Image.Resampling.LANCZOS)
    scale = max(image.face.width, image.face.height) / max(whole.size)
    width, height = (round(scale * side) for side in whole.size)
    return {"picture": _encode_data_uri(shown), "width": width, "height": height}


def _describe_training_data(dataset: DatasetDescription) -> str:
    images = dataset.images["train"]
    return (
        f"{images['real']:,} photographs and {images['generated']:,} generated faces of "
        f"“{Path(dataset.folder).name}”"
    )


def _render_similar_face(similar: SimilarFace) -> dict[str, Any] | None:
    """Return a similar training face for the page, or None if its image no longer exists."""
    thumbnail = similar.draw_thumbnail(THUMBNAIL_SIDE_PX)
    if thumbnail is None:
        return None
    description = {
        "label": similar.label,
        "source": similar.source,
        "distance": round(similar.distance, 3),
    }
    return description | {"picture": _encode_data_uri(thumbnail)}


def _encode_data_uri(image: Image.Image) -> str:
    return html_pages.encode_data_uri(image_panels.encode_panel_jpeg(image))
