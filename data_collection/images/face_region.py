"""Lay a frame over a face by its landmarks: coordinates in which all faces are alike."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from data_collection.images.face_detector import FaceBox

MIN_EYE_DISTANCE = 0.7
"""Least distance between the eyes, in distances from eyes to mouth: they are closer in faces that
are turned aside, but the face is as wide."""

FAR_SIDE_SHIFT = 0.6
"""Shift of the frame away from the tip of the nose, in its distances from the middle of the eyes:
of a face that is turned aside, more is seen on the other side."""


@dataclass(frozen=True, kw_only=True)
class FaceRegion:
    """An ellipse in the frame of a face, whose origin lies between the eyes (of a face that looks
    ahead) and whose y axis leads to the mouth.

    The unit of y is the distance from eyes to mouth, that of x the distance between the eyes.

    Attributes:
        x, y: the centre.
        half_width, half_height: the half axes.
    """

    x: float = 0.0
    y: float
    half_width: float
    half_height: float

    def measure_radius(self, points: np.ndarray) -> np.ndarray:
        """Return how far points of the frame lie from the centre; 1 on the ellipse.

        Args:
            points: x and y, shape (2, height, width).
        """
        x, y = points
        return np.hypot((x - self.x) / self.half_width, (y - self.y) / self.half_height)


WHOLE_FACE = FaceRegion(y=0.35, half_width=1.0, half_height=1.25)
"""From the hairline to the chin."""

FACE_PARTS = {
    "eyes": FaceRegion(y=0.0, half_width=1.1, half_height=0.45),
    "mouth": FaceRegion(y=1.0, half_width=0.7, half_height=0.45),
    "face": WHOLE_FACE,
}

PART_SOFTNESS = 0.3


@dataclass(frozen=True)
class FaceFrame:
    """The frame of one face: `origin` and the two axes `across` and `down`, in pixels."""

    origin: np.ndarray
    across: np.ndarray
    down: np.ndarray

    @classmethod
    def from_face(cls, face: FaceBox) -> "FaceFrame":
        left_eye, right_eye, nose, left_mouth, right_mouth = np.array(face.landmarks)
        origin = (left_eye + right_eye) / 2
        down = (left_mouth + right_mouth) / 2 - origin
        # Square to `down`, so that the ellipse of a face turned aside is not slanted.
        direction = np.array([down[1], -down[0]]) / max(np.hypot(*down), 1e-6)
        eye_distance = float((right_eye - left_eye) @ direction)
        across = direction * max(eye_distance, MIN_EYE_DISTANCE * np.hypot(*down))
        aside = FAR_SIDE_SHIFT * float((nose - origin) @ direction)
        return cls(origin - aside * direction, across, down)

    def locate(self, left: int, top: int, width: int, height: int) -> np.ndarray:
        """Return the frame's coordinates of the pixels of a rectangle, shape (2, height, width)."""
        y, x = np.mgrid[top : top + height, left : left + width] + 0.5
        offsets = np.stack([x - self.origin[0], y - self.origin[1]])
        inverse = np.linalg.inv(np.stack([self.across, self.down], axis=1))
        return np.tensordot(inverse, offsets, axes=1)

    def find_bounds(self, region: FaceRegion, width: int, height: int) -> tuple[int, int, int, int]:
        """Return the box around a region within a picture: left, top, right, bottom in pixels."""
        centre = self.origin + region.x * self.across + region.y * self.down
        reach = np.hypot(region.half_width * self.across, region.half_height * self.down)
        left, top = np.floor((centre - reach).clip(0, (width, height))).astype(int)
        right, bottom = np.ceil((centre + reach).clip(0, (width, height))).astype(int)
        return int(left), int(top), int(right), int(bottom)


def compute_weights(radius: np.ndarray, softness: float) -> np.ndarray:
    """Return weights that rise from 0 on an outline (radius 1) to 1 inside, without an edge.

    Args:
        softness: the width of the rise, as a share of the radius.
    """
    depth = ((1 - radius) / softness).clip(0, 1)
    return depth * depth * (3 - 2 * depth)


def draw_part_mask(face: FaceBox, part: str, size: tuple[int, int]) -> Image.Image:
    """Draw a soft grey mask of a part of a face.

    Args:
        part: a name in FACE_PARTS.
        size: width and height in pixels.
    """
    radius = FACE_PARTS[part].measure_radius(FaceFrame.from_face(face).locate(0, 0, *size))
    weights = compute_weights(radius, PART_SOFTNESS)
    return Image.fromarray((255 * weights).round().astype(np.uint8))
