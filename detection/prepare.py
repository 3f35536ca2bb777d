"""Prepare images as a detector sees them: decoded, cropped, resized, at fixed JPEG qualities."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_collection.images import canonical, errors, quality
from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL
from data_collection.source_types import UnavailableImage
from detection import face_check
from detection.detections import Detection, PreparedImage
from detection.image_paths import LocatedImage
from detection.image_warnings import find_warnings
from runtime.commands import workspace
from training.detectors import card as detector_card
from training.detectors import saved_models
from training.detectors.card import Card

MIN_SQUARE_SIDE_PX = 32
"""Side of the smallest square that is judged."""


def prepare(file: str | Path, detector: str | Path, any_picture: bool = False) -> np.ndarray:
    """Return the pixels of a file that a detector sees, for its model in Keras or ONNX Runtime.

    The model gives one probability for each JPEG quality. Detection's answer is the sigmoid of the
    mean of their logits, of probabilities clipped to 1e-7 from 0 and 1.

    Args:
        file: an image.
        detector: folder or name of a saved detector, as `Detector.load` takes it.
        any_picture: whether to prepare images, too, that do not show exactly one face.

    Returns:
        float32, shape (qualities, side, side, 3), values 0 to 255.

    Raises:
        ValueError: detection would not judge the image; the message says why.
        OSError: the file cannot be read.
        PlainError: there is no such detector, or its card is damaged.

    Example:
        >>> prepare("photo.jpg", "saved_models/faces-1").shape
        (2, 224, 224, 3)
    """
    path = Path(file)
    folder = saved_models.find_detector(workspace.SAVED_MODELS_FOLDER, Path(detector))
    card = detector_card.read_card(folder)
    try:
        data = LocatedImage(path).read()
    except UnavailableImage as error:
        error_class = ValueError if path.exists() else FileNotFoundError
        raise error_class(f"{path}: {error}") from None
    image = prepare_image(data, Detection(path=path), card, any_picture)
    if image.detection.error:
        raise ValueError(f"{path}: {image.detection.error}")
    return image.pixels.astype(np.float32)


def prepare_image(
    data: bytes,
    detection: Detection,
    card: Card,
    any_picture: bool = False,
    decode_whole: Callable[[bytes], DecodedFace] = COMMAND_POOL.decode_whole,
) -> PreparedImage:
    """Decode an image as in training; if it cannot be judged, its Detection gets an error.

    Args:
        detection: everything known before.
        decode_whole: decodes within a limit of time.
    """
    try:
        face, face_count = face_check.decode_and_count_faces(data, card.crop, decode_whole)
        _check_judgeable(face)
    except errors.UnreadableImage as error:
        return PreparedImage(replace(detection, error=str(error)), rejection=type(error))
    detection = replace(detection, faces=face_count)
    if face_count != 1 and not any_picture:
        refusal = face_check.explain_refusal(face, face_count)
        return PreparedImage(replace(detection, error=refusal), rejection=errors.NoSingleFace)
    warnings = find_warnings(face, card.image_size, face_count)
    return PreparedImage(
        replace(detection, warnings=warnings),
        face,
        canonical.compute_judgement_pixels(face, card.image_size, card.qualities),
    )


def _check_judgeable(face: DecodedFace) -> None:
    side = face.square.width
    if side < MIN_SQUARE_SIDE_PX:
        raise errors.UnreadableImage(f"its square has {side} pixels a side, too few to judge")
    if quality.is_single_colour(face):
        raise errors.UnreadableImage("it is one flat colour; there is nothing to judge")
