"""Say why a detector may be less reliable on an image."""

from data_collection.images.decode import DecodedFace
from detection.face_check import (
    MAX_JUDGED_FACES,
    MIN_REAL_SIDE_SHARE,
    MIN_SQUARE_SIDE_PX,
    FoundSquares,
)
from training.detectors.card import Card

POOR_JPEG_QUALITY = 50


def find_warnings(whole: DecodedFace, found: FoundSquares, card: Card) -> tuple[str, ...]:
    """Return a sentence for everything that makes a verdict on this image worth less.

    Args:
        found: its judged squares.
        card: of the detector.
    """
    warnings = [] if found.face_count == 1 else _explain_faces(found, card)
    side = found.squares[-1].side
    if side < card.image_size:
        subject = _name_square(found, card)
        never = ", so it is not called real" if _is_too_small(side, found, card) else ""
        warnings.append(
            f"{subject} has fewer pixels than the detector's input: {side} instead of "
            f"{card.image_size}{never}."
        )
    if whole.quality is not None and whole.quality < POOR_JPEG_QUALITY:
        warnings.append(
            f"It was saved as a poor JPEG (quality about {whole.quality}), which hides traces."
        )
    return tuple(warnings)


def _name_square(found: FoundSquares, card: Card) -> str:
    """Name the smallest judged square."""
    if found.face_count > 1:
        return "Its smallest judged face"
    return "Its face" if found.face_count and card.crop == "face" else "It"


def _is_too_small(side: int, found: FoundSquares, card: Card) -> bool:
    return found.face_count > 1 and side < MIN_REAL_SIDE_SHARE * card.image_size


def _explain_faces(found: FoundSquares, card: Card) -> list[str]:
    if not found.face_count:
        return [
            "No face was found in it: the detector was trained on images of one face only, and a "
            "verdict on others means little."
        ]
    warnings = []
    reasons = [
        *([f"more than {MAX_JUDGED_FACES} are not judged"] if found.too_many else []),
        *([f"under {MIN_SQUARE_SIDE_PX} pixels a side are too few"] if found.too_small else []),
    ]
    advice = [
        *(["Crop it to those that were not judged."] if found.too_many else []),
        *(["Judge a larger copy of it, if there is one."] if found.too_small else []),
    ]
    if reasons:
        warnings.append(
            f"{found.passed_over} of the {found.face_count} faces found in it "
            f"{'was' if found.passed_over == 1 else 'were'} passed over ({', '.join(reasons)}), so "
            f"it is not called real. {' '.join(advice)}"
        )
    if card.crop != "face":
        warnings.append(
            "The detector was trained on the centre squares of pictures: squares around single "
            "faces are not what it knows, and a verdict on them means little."
        )
    return warnings
