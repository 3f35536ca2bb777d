"""Describe the judged faces of an image in words."""

from detection.detections import Box, FaceDetection


def describe_box(box: Box) -> str:
    """Return size and place of a face's square, in pixels from the left and from the top."""
    return f"{box.width} x {box.height} at {box.left}, {box.top}"


def describe_face(face: FaceDetection) -> str:
    """Return the square of a face and, once it was judged, its verdict and probability."""
    verdict = f": {face.verdict} {face.probability:.6f}" if face.verdict else ""
    return describe_box(face.box) + verdict
