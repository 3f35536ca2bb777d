"""Say why a detector may be less reliable on an image."""

from data_collection.images.decode import DecodedFace

POOR_JPEG_QUALITY = 50


def find_warnings(face: DecodedFace, side: int, face_count: int) -> tuple[str, ...]:
    """Return a sentence for everything that makes a verdict on this image worth less.

    Args:
        side: of the detector's input, in pixels.
        face_count: number of faces found in the image.
    """
    warnings = []
    if face_count != 1:
        found = f"{face_count} faces were" if face_count else "No face was"
        warnings.append(
            f"{found} found in it: the detector was trained on images of one face only, and a "
            "verdict on others means little."
        )
    if face.square.width < side:
        warnings.append(
            f"It has fewer pixels than the detector's input: {face.square.width} instead of {side}."
        )
    if face.quality is not None and face.quality < POOR_JPEG_QUALITY:
        warnings.append(
            f"It was saved as a poor JPEG (quality about {face.quality}), which hides traces."
        )
    return tuple(warnings)
