"""Prepare images as a detector sees them: decoded, cropped, resized, at fixed JPEG qualities."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_collection.images import canonical, decode, errors, quality
from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL
from data_collection.source_types import UnavailableImage
from detection import face_check
from detection.detections import Box, Detection, FaceDetection, PreparedImage
from detection.face_check import MIN_SQUARE_SIDE_PX, FoundSquares, Square
from detection.image_paths import LocatedImage
from detection.image_warnings import find_warnings
from runtime.commands import workspace
from training.detectors import card as detector_card
from training.detectors import saved_models
from training.detectors.card import Card


def prepare(file: str | Path, detector: str | Path, any_picture: bool = False) -> np.ndarray:
    """Return the pixels of a file that a detector sees, for its model in Keras or ONNX Runtime.

    The model gives one probability for each JPEG quality. Detection's answer is the sigmoid of the
    mean of their logits, of probabilities clipped to 1e-7 from 0 and 1.

    Args:
        file: an image.
        detector: folder or name of a saved detector, as `Detector.load` takes it.
        any_picture: whether to prepare images without a face, too.

    Returns:
        float32, shape (qualities, side, side, 3), values 0 to 255.

    Raises:
        ValueError: detection would not judge the image, or judges several faces of it; the message
            says why.
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
    if image.squares:
        count = len(image.squares)
        raise ValueError(f"{path}: {count} of its faces are judged; crop it to one of them")
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
        any_picture: whether to judge the centre of an image without a face.
        decode_whole: decodes within a limit of time.
    """
    try:
        whole = decode_whole(data)
        found = face_check.find_squares(whole.square, card.crop)
        _check_judgeable(whole, found, card.crop)
    except errors.UnreadableImage as error:
        return PreparedImage(replace(detection, error=str(error)), rejection=type(error))
    if not found.face_count and not any_picture:
        refusal = face_check.explain_refusal(whole, card.crop)
        return PreparedImage(
            replace(detection, faces=(), error=refusal), rejection=errors.NoSingleFace
        )
    boxes = [_measure_box(square, whole) for square in found.squares[: found.face_count]]
    detection = replace(
        detection,
        faces=tuple(FaceDetection(box=box) for box in boxes),
        passed_over=found.passed_over,
        warnings=find_warnings(whole, found, card),
    )
    return _cut_and_resize(PreparedImage(detection, whole), found.squares, card)


def _check_judgeable(whole: DecodedFace, found: FoundSquares, crop: str) -> None:
    if not found.squares:
        raise errors.UnreadableImage(
            f"its {found.face_count} faces are under {MIN_SQUARE_SIDE_PX} pixels a side, too small "
            "to judge; take a larger copy of it"
        )
    side = found.squares[0].side
    if side < MIN_SQUARE_SIDE_PX:
        part = "face" if crop == "face" and found.face_count else "centre square"
        raise errors.UnreadableImage(
            f"its {part} has {side} pixels a side, too few to judge: {MIN_SQUARE_SIDE_PX} are "
            "needed; take a larger copy of it"
        )
    square = decode.cut_out(whole.square, found.squares[0])
    if quality.is_single_colour(replace(whole, square=square)):
        raise errors.UnreadableImage("it is one flat colour; there is nothing to judge")


def _measure_box(square: Square, whole: DecodedFace) -> Box:
    """Return a square in pixels of the image at its full size; very large JPEGs are decoded at a
    part of it."""
    scale = max(whole.width, whole.height) / max(whole.square.size)
    left, top, right, bottom = (round(scale * edge) for edge in square)
    return Box(left, top, right - left, bottom - top)


def _cut_and_resize(image: PreparedImage, squares: tuple[Square, ...], card: Card) -> PreparedImage:
    """Add the pixels of all judged squares; a picture of one is cut to it."""
    if len(squares) > 1:
        image = replace(image, squares=squares)
    else:
        square = decode.cut_out(image.face.square, squares[0])
        image = replace(image, face=replace(image.face, square=square))
    pixels = [
        canonical.compute_judgement_pixels(
            image.cut_out_square(index), card.image_size, card.qualities
        )
        for index in range(len(squares))
    ]
    return replace(image, pixels=np.concatenate(pixels))
