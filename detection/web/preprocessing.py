"""Say how an image was prepared before it was judged."""

from detection.detections import PreparedImage
from training.detectors.card import Card


def describe_preprocessing(image: PreparedImage, card: Card) -> list[str]:
    """Return the steps in order."""
    face, side = image.face, card.image_size
    steps = [f"Decoded: {face.format}, {face.width} x {face.height} pixels, {face.mode}."]
    if face.frames > 1:
        steps.append("Only its first frame was used.")
    sides = [square.side for square in image.squares] or [face.square.width]
    steps += _describe_cut(image, card, sides)
    change = f"enlarged to {side}" if max(sides) < side else f"shrunk to {side}"
    if min(sides) < side < max(sides):
        change = f"shrunk or enlarged to {side}"
    resized = f"It was {change} x {side} pixels and saved"
    if set(sides) == {side}:
        resized = "It was saved"
    ending = "as JPEG without metadata, at the same qualities for every image."
    return [*steps, f"{resized if len(sides) == 1 else 'Each' + resized[2:]} {ending}"]


def _describe_cut(image: PreparedImage, card: Card, sides: list[int]) -> list[str]:
    face, faces = image.face, image.detection.faces or ()
    if len(sides) > 1:
        count = len(sides)
        return [f"Squares around {count} faces were cut out: {min(sides)} to {max(sides)} pixels."]
    is_face = bool(faces) and (card.crop == "face" or len(faces) + image.detection.passed_over > 1)
    if not is_face and face.width == face.height:
        return []
    cut = "The square around its only face" if is_face else "The centre square"
    return [f"{cut} was cut out: {sides[0]} x {sides[0]} pixels."]
