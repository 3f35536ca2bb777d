"""Find the squares of an image that are judged: around each of its faces, or in its centre."""

from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from data_collection.images import decode, face_detector
from data_collection.images.decode import DecodedFace
from data_collection.images.face_detector import CANVAS_SIDE_PX, FaceBox

MIN_SQUARE_SIDE_PX = 32
"""Side of the smallest square that is judged."""

MAX_JUDGED_FACES = 16
"""Faces of one image that are judged, the largest first: a crowd of 60 takes no longer than these,
and each more would make every cut stricter."""

MIN_REAL_SIDE_SHARE = 0.5
"""One of several faces under this share of the detector's input, in pixels a side, is never called
real: 18% of generated hold-out faces of 47 pixels are, by the cuts of telltale-faces (128), 6% of
94 pixels (benchmarks/studies/faces_in_collages.py, `--tile 80 --cuts-alone` and `--tile 160`)."""

MIN_FACE_SHARE = 0.1
"""Smallest side of a face, as a share of the judged square's. In a smaller one hardly any of the
pixels that a detector sees belong to the face; the smallest of 1,600 portraits has .18."""

MIN_SECOND_FACE_SCORE = 0.7
"""The face detector's certainty from which on a second face counts: necks and shoulders in
portraits score up to .65, second persons .73 and more."""


class Square(NamedTuple):
    """Left, top, right and bottom of a square within a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        """Its side in pixels."""
        return self.right - self.left


@dataclass(frozen=True, kw_only=True)
class FoundSquares:
    """The squares of a picture that are judged.

    Attributes:
        squares: the only square; or one around each of several faces, the largest first.
        face_count: number of faces that count.
        too_many, too_small: faces that are not judged: beyond MAX_JUDGED_FACES, and under
            MIN_SQUARE_SIDE_PX.
    """

    squares: tuple[Square, ...]
    face_count: int
    too_many: int = 0
    too_small: int = 0

    @property
    def passed_over(self) -> int:
        """Number of faces that are not judged."""
        return self.too_many + self.too_small


def find_squares(picture: Image.Image, crop: str) -> FoundSquares:
    """Find the squares of an upright picture that a detector judges.

    The only face, beside which faces in the background do not count, is judged as in training. Of
    several, every one is judged, each in a square of its own. Without a face it is the centre.

    Args:
        crop: the detector's, a name in decode.CROPS.
    """
    return _FINDERS[crop](picture)


def _find_for_face_crops(picture: Image.Image) -> FoundSquares:
    faces = face_detector.find_faces(picture)
    large = face_detector.select_large_faces(faces)
    counted = large if len(large) == 1 else _select_counted(large)
    if len(counted) > 1:
        return _place_squares(faces, picture.size)
    if not counted:
        return FoundSquares(squares=(_place_centre(picture),), face_count=0)
    square = Square(*face_detector.place_crop(counted[0], picture.size))
    return FoundSquares(squares=(square,), face_count=1)


def _find_for_centre_squares(picture: Image.Image) -> FoundSquares:
    centre = _place_centre(picture)
    everywhere = Square(0, 0, *picture.size)
    faces = _look_at(picture, everywhere)
    if len(_select_counted(face_detector.select_large_faces(faces))) > 1:
        return _place_squares(faces, picture.size)
    count = _count_within([face for face in faces if _is_within(face, centre)], centre.side)
    if count != 1 and centre != everywhere:
        faces = _look_at(picture, centre)
        count = _count_within(faces, centre.side)
        if count > 1:
            return _place_squares(faces, picture.size)
    return FoundSquares(squares=(centre,), face_count=count)


_FINDERS = {"face": _find_for_face_crops, "centre": _find_for_centre_squares}


def count_faces(square: Image.Image) -> int:
    """Return the number of faces that are large and certain enough for a verdict about them."""
    return _count_within(_look_at(square, Square(0, 0, *square.size)), square.width)


def _look_at(picture: Image.Image, part: Square) -> list[FaceBox]:
    """Return the faces in a part of a picture, the largest first, in pixels of the picture."""
    # averaging whole blocks first takes a fifth of the time that one resize takes
    factor = max(1, max(part.side, part.bottom - part.top) // CANVAS_SIDE_PX)
    return [
        FaceBox(
            left=part.left + factor * face.left,
            top=part.top + factor * face.top,
            side=factor * face.side,
            score=face.score,
            landmarks=tuple(
                (part.left + factor * x, part.top + factor * y) for x, y in face.landmarks
            ),
        )
        for face in face_detector.find_faces(picture.reduce(factor, part))
    ]


def _count_within(faces: list[FaceBox], side: int) -> int:
    large = [
        face
        for face in face_detector.select_large_faces(faces)
        if face.side >= MIN_FACE_SHARE * side
    ]
    return len(_select_counted(large))


def _select_counted(large: list[FaceBox]) -> list[FaceBox]:
    """Return those of the large faces that are certain, or the largest if none is."""
    return [face for face in large if face.score >= MIN_SECOND_FACE_SCORE] or large[:1]


def _is_within(face: FaceBox, square: Square) -> bool:
    x, y = face.left + face.side / 2, face.top + face.side / 2
    return square.left <= x < square.right and square.top <= y < square.bottom


def _place_centre(picture: Image.Image) -> Square:
    return Square(*decode.place_centre_square(picture.size))


def _place_squares(faces: list[FaceBox], size: tuple[int, int]) -> FoundSquares:
    """Return a square around each of several faces, as for the only one, whatever its size."""
    certain = [face for face in faces if face.score >= MIN_SECOND_FACE_SCORE]
    placed = [Square(*face_detector.place_crop(face, size)) for face in certain]
    large = [square for square in placed if square.side >= MIN_SQUARE_SIDE_PX]
    return FoundSquares(
        squares=tuple(large[:MAX_JUDGED_FACES]),
        face_count=len(placed),
        too_many=len(large[MAX_JUDGED_FACES:]),
        too_small=len(placed) - len(large),
    )


def explain_refusal(whole: DecodedFace, crop: str) -> str:
    """Return why an image without a face was not judged; a detector of face crops looked for one
    everywhere."""
    is_whole = crop == "face" or whole.width == whole.height
    place = "" if is_whole else " in its centre square"
    return f"no face was found{place}, so it was not judged"
