"""Look for the only face of an image before it is judged."""

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from data_collection.images import decode, face_detector
from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL
from data_collection.images.errors import NoSingleFace

MIN_FACE_SHARE = 0.1
"""Smallest side of a face, as a share of the judged square's. In a smaller one hardly any of the
pixels that a detector sees belong to the face; the smallest of 1,600 portraits has .18."""

MIN_SECOND_FACE_SCORE = 0.7
"""The face detector's certainty from which on a second face counts: necks and shoulders in
portraits score up to .65, second persons .73 and more."""


def decode_and_count_faces(
    data: bytes, crop: str, decode_whole: Callable[[bytes], DecodedFace] = COMMAND_POOL.decode_whole
) -> tuple[DecodedFace, int]:
    """Decode the square that a detector judges, and count the faces in it.

    Faces in the background do not count. A detector of face crops gets the centre square of an
    image without a face, or with several.

    Args:
        crop: the detector's, a name in decode.CROPS.
        decode_whole: decodes as `decode.decode_whole` does, within a limit of time.

    Raises:
        UnreadableImage: the image cannot be decoded.
    """
    whole = decode_whole(data)
    try:
        face = replace(whole, square=decode.CROPS[crop](whole.square))
    except NoSingleFace as error:
        return replace(whole, square=decode.CROPS["centre"](whole.square)), error.count
    return face, 1 if crop == "face" else count_faces(face.square)


def count_faces(square: Image.Image) -> int:
    """Return the number of faces that are large and certain enough for a verdict about them."""
    # averaging whole blocks first takes a fifth of the time that one resize takes
    small = square.reduce(max(1, square.width // face_detector.CANVAS_SIDE_PX))
    faces = [
        face
        for face in face_detector.find_large_faces(small)
        if face.side >= MIN_FACE_SHARE * small.width
    ]
    return sum(face.score >= MIN_SECOND_FACE_SCORE for face in faces) or min(1, len(faces))


def explain_refusal(face: DecodedFace, face_count: int) -> str:
    """Return why an image that does not show exactly one face was not judged."""
    if face_count:
        return f"{face_count} faces were found, so it was not judged; crop it to one of them"
    place = "" if face.width == face.height else " in its centre square"
    return f"no face was found{place}, so it was not judged"
