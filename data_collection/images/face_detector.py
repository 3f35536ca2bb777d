"""Detect the faces in an image, and crop to the only one with the same margin for both classes.

The detector is YuNet (2023, MIT licence:
https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet), a graph of 230 kB.
"""

import functools
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.images.errors import NoSingleFace
from runtime import onnx_session

GRAPH_FILE = Path(__file__).parent / "yunet" / "face_detection_yunet_2023mar_320.onnx"
"""The published graph with an input of CANVAS_SIDE_PX a side, 640 before; weights and layers are
as published (tests/data_collection/images/test_face_detector.py compares the two)."""

CANVAS_SIDE_PX = 320
"""Side of the detector's input, in pixels. At the graph's own 640 it takes three times as long and
is less sure of large faces, on which it was not trained: of 242 photographs one in twenty scores
under .49 there, under .73 here."""

DETECTOR_STRIDES_PX = (8, 16, 32)

MIN_FACE_SCORE = 0.6
MAX_BOX_IOU = 0.3
MIN_SECOND_FACE_RATIO = 0.5
"""A second face counts if its side is at least this share of the largest one's; faces in the
background are smaller."""

CROP_SIDE_PER_FACE_SIDE = 1.0
"""Side of the square, in sides of the face; one number for both classes. At 1 only one picture in
twenty is too narrow for it; at 1.3 half of the photographs and two in five generated images are,
and the margin would differ by class after all."""


@dataclass(frozen=True, kw_only=True)
class FaceBox:
    """A square around a face, hairline to chin, in pixels of the upright image; it may reach
    beyond the image's edges.

    Attributes:
        score: the detector's certainty, MIN_FACE_SCORE to 1.
        landmarks: x and y of both eyes, the tip of the nose and both corners of the mouth, the
            picture's left before its right.
    """

    left: float
    top: float
    side: float
    score: float
    landmarks: tuple[tuple[float, float], ...]


def crop_to_face(picture: Image.Image) -> Image.Image:
    """Crop to a square around the only face, CROP_SIDE_PER_FACE_SIDE times as large; faces in the
    background do not count.

    A square that would leave the picture is shifted and, if necessary, shrunk to the shorter side:
    no pixel is invented.

    Raises:
        NoSingleFace: no face, or several.
    """
    return picture.crop(place_crop(find_only_face(picture), picture.size))


def place_crop(face: FaceBox, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the square that `crop_to_face` cuts out around a face.

    Args:
        size: width and height of the picture.
    """
    side = max(1, round(min(CROP_SIDE_PER_FACE_SIDE * face.side, *size)))
    left = _clamp_start(face.left + face.side / 2, side, size[0])
    top = _clamp_start(face.top + face.side / 2, side, size[1])
    return left, top, left + side, top + side


def _clamp_start(centre: float, side: int, length: int) -> int:
    return min(max(0, round(centre - side / 2)), length - side)


def find_only_face(picture: Image.Image) -> FaceBox:
    """Return the only large face of an upright RGB image.

    Raises:
        NoSingleFace: no face, or several.
    """
    faces = find_large_faces(picture)
    if len(faces) != 1:
        raise NoSingleFace(len(faces))
    return faces[0]


def find_large_faces(picture: Image.Image) -> list[FaceBox]:
    """Return the largest face of an upright RGB image, and the others that are not much smaller
    (MIN_SECOND_FACE_RATIO)."""
    return select_large_faces(find_faces(picture))


def select_large_faces(faces: list[FaceBox]) -> list[FaceBox]:
    """Return those of an image's faces, the largest first, that `find_large_faces` returns."""
    return [face for face in faces if face.side >= MIN_SECOND_FACE_RATIO * faces[0].side]


def find_faces(picture: Image.Image) -> list[FaceBox]:
    """Return every face in an upright RGB image, the largest first; thread-safe."""
    scale = CANVAS_SIDE_PX / max(picture.size)
    size = [max(1, round(scale * side)) for side in picture.size]
    canvas = np.zeros((CANVAS_SIDE_PX, CANVAS_SIDE_PX, 3), dtype=np.float32)
    canvas[: size[1], : size[0]] = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    bgr = np.ascontiguousarray(canvas[None, :, :, ::-1].transpose(0, 3, 1, 2))
    boxes, scores, landmarks = _detect_boxes(bgr)
    faces = [
        _build_face_box(boxes[index] / scale, float(scores[index]), landmarks[index] / scale)
        for index in _suppress_overlaps(boxes, scores)
    ]
    return sorted(faces, key=lambda face: (-face.side, -face.score))


def _build_face_box(box: np.ndarray, score: float, landmarks: np.ndarray) -> FaceBox:
    """Return the square around a box of left, top, width, height."""
    left, top, width, height = map(float, box)
    side = max(width, height)
    return FaceBox(
        left=left + (width - side) / 2,
        top=top + (height - side) / 2,
        side=side,
        score=score,
        landmarks=tuple((float(x), float(y)) for x, y in landmarks),
    )


def _detect_boxes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes (left, top, width, height on the canvas), scores of at least MIN_FACE_SCORE,
    and landmarks (x and y on the canvas): float32, (n, 4), (n,) and (n, 5, 2)."""
    detector = load_face_detector()
    names = [output.name for output in detector.get_outputs()]
    outputs = dict(zip(names, detector.run(None, {"input": pixels}), strict=True))
    boxes, scores, landmarks = [], [], []
    for stride in DETECTOR_STRIDES_PX:
        across = CANVAS_SIDE_PX // stride
        row, column = np.divmod(np.arange(across * across), across)
        x, y, width, height = outputs[f"bbox_{stride}"][0].T
        width, height = stride * np.exp(width), stride * np.exp(height)
        x, y = stride * (column + x) - width / 2, stride * (row + y) - height / 2
        boxes.append(np.stack([x, y, width, height], axis=1))
        offsets = outputs[f"kps_{stride}"][0].reshape(-1, 5, 2)
        landmarks.append(stride * (np.stack([column, row], axis=1)[:, None] + offsets))
        class_score = outputs[f"cls_{stride}"][0, :, 0].clip(0, 1)
        object_score = outputs[f"obj_{stride}"][0, :, 0].clip(0, 1)
        scores.append(np.sqrt(class_score * object_score))
    scores = np.concatenate(scores)
    found = scores >= MIN_FACE_SCORE
    return np.concatenate(boxes)[found], scores[found], np.concatenate(landmarks)[found]


def _suppress_overlaps(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Return indices of the boxes whose intersection over union with every better one is at
    most MAX_BOX_IOU."""
    corner, area = boxes[:, :2] + boxes[:, 2:], boxes[:, 2] * boxes[:, 3]
    selected: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        overlap = np.minimum(corner[selected], corner[index]) - np.maximum(
            boxes[selected, :2], boxes[index, :2]
        )
        intersection = overlap.clip(0).prod(axis=1)
        if (intersection <= MAX_BOX_IOU * (area[selected] + area[index] - intersection)).all():
            selected.append(int(index))
    return selected


# The first images arrive together, and functools.cache alone would let each of them open it.
_detector_lock = threading.Lock()


def load_face_detector() -> "onnx_session.Session":
    """Open the detector, once for all threads."""
    with _detector_lock:
        return _open_face_detector(GRAPH_FILE)


@functools.cache
def _open_face_detector(graph_file: Path) -> "onnx_session.Session":
    """Open the detector for one thread: callers run many images at a time, and the order of sums
    stays fixed."""
    return onnx_session.open_session(graph_file, threads=1)
