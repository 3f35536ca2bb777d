"""Blend a photograph's face with itself, warped and recoloured, through a soft mask.

A detector can find such a picture only by the blending: what a face that was pasted in leaves, by
whatever generator (Shiohara and Yamasaki 2022, "Detecting Deepfakes with Self-Blended Images",
arXiv 2204.08376; this is their idea with masks from five landmarks). It needs no model.
"""

import importlib.metadata
from dataclasses import replace

import numpy as np
from PIL import Image

from data_collection.images import face_detector
from data_collection.images.errors import NoSingleFace
from data_collection.images.face_detector import FaceBox
from data_collection.images.face_region import WHOLE_FACE, FaceFrame, FaceRegion, compute_weights
from data_collection.source_types import UnavailableImage

MASK_SCALE_RANGE = (0.7, 1.0)
MASK_WOBBLE = 0.12
"""Largest shift of the mask's outline, in units of the face's frame."""

MASK_SOFTNESS_RANGE = (0.25, 0.6)
"""Width of the mask's soft edge, as a share of its radius."""

BLENDING_RATIOS = (0.75, 1.0, 1.0)
"""Weights of the pasted face inside the mask; one is drawn. At .5 eyes are seen twice."""

WARP_SHIFT = 0.05
WARP_SCALE = 0.04
WARP_TURN_DEGREES = 3.0
WARP_WOBBLE = 0.02
"""Largest shift (in units of the face's frame), scale, turn and unevenness of the pasted face."""

CHANNEL_GAIN = 0.06
CHANNEL_OFFSET = 7.0
CONTRAST = 0.1
SATURATION = 0.15
"""Largest changes of the pasted face's colours: gain and offset (in grey levels) of a channel,
contrast, saturation."""

MIN_FACE_SHARE = 0.1
"""Least side of the face, as a share of the picture's shorter side."""

WOBBLE_CELLS = 5

DETAIL_EYES_TO_MOUTH_PX = 100
"""Pixels from eyes to mouth above which changes of detail grow with the face, so that they are
still there when the picture is shrunk."""


def read_library_versions() -> dict[str, object]:
    """Return the versions of the libraries that decide the pixels."""
    return {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "pillow")}


def blend_with_itself(picture: Image.Image, seed: int) -> Image.Image:
    """Return the picture with its face pasted over itself; outside of the face no pixel changes.

    Raises:
        UnavailableImage: the picture does not show exactly one face that is large enough.
    """
    try:
        face = face_detector.find_only_face(picture)
    except NoSingleFace as error:
        raise UnavailableImage(f"not one face: {error}") from None
    if face.side < MIN_FACE_SHARE * min(picture.size):
        raise UnavailableImage("not one face: it is too small")
    return blend_face(picture, face, np.random.default_rng(seed))


def blend_face(picture: Image.Image, face: FaceBox, random: np.random.Generator) -> Image.Image:
    """Return the picture with one of its faces pasted over itself."""
    frame, region = FaceFrame.from_face(face), _draw_region(random)
    reach = replace(
        region,
        half_width=region.half_width + MASK_WOBBLE,
        half_height=region.half_height + MASK_WOBBLE,
    )
    left, top, right, bottom = frame.find_bounds(reach, *picture.size)
    points = frame.locate(left, top, right - left, bottom - top)
    pixels = np.asarray(picture.crop((left, top, right, bottom)), dtype=np.float64)
    mask = _draw_mask(points, region, random) * random.choice(BLENDING_RATIOS)
    recoloured = _recolour(_warp(pixels, points, frame, random), random)
    magnification = max(1.0, float(np.hypot(*frame.down)) / DETAIL_EYES_TO_MOUTH_PX)
    pasted = _change_detail(recoloured, magnification, random)
    blended = pixels + mask[:, :, None] * (pasted - pixels)
    result = picture.copy()
    result.paste(Image.fromarray(blended.round().clip(0, 255).astype(np.uint8)), (left, top))
    return result


def _draw_region(random: np.random.Generator) -> FaceRegion:
    width, height = random.uniform(*MASK_SCALE_RANGE, 2)
    return replace(
        WHOLE_FACE,
        half_width=width * WHOLE_FACE.half_width,
        half_height=height * WHOLE_FACE.half_height,
    )


def _draw_mask(points: np.ndarray, region: FaceRegion, random: np.random.Generator) -> np.ndarray:
    """Return weights of 0 to 1, shape (height, width): 1 inside, falling to 0 at the outline."""
    softness = random.uniform(*MASK_SOFTNESS_RANGE)
    wobble = MASK_WOBBLE * _draw_wobble(points.shape[1:], random)
    return compute_weights(region.measure_radius(points + wobble), softness)


def _draw_wobble(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Return two smooth fields of random values from -1 to 1, shape (2, height, width)."""
    height, width = shape
    fields = [
        Image.fromarray(field).resize((width, height), Image.Resampling.BILINEAR)
        for field in random.uniform(-1, 1, (2, WOBBLE_CELLS, WOBBLE_CELLS)).astype(np.float32)
    ]
    return np.stack([np.asarray(field, dtype=np.float64) for field in fields])


def _warp(
    pixels: np.ndarray, points: np.ndarray, frame: FaceFrame, random: np.random.Generator
) -> np.ndarray:
    """Return the face shifted, scaled, turned and bent a little around its middle."""
    turn = np.deg2rad(random.uniform(-WARP_TURN_DEGREES, WARP_TURN_DEGREES))
    from scipy import ndimage

    scale_x, scale_y = 1 + random.uniform(-WARP_SCALE, WARP_SCALE, 2)
    shift = random.uniform(-WARP_SHIFT, WARP_SHIFT, 2)
    matrix = np.array(
        [
            [scale_x * np.cos(turn), -scale_y * np.sin(turn)],
            [scale_x * np.sin(turn), scale_y * np.cos(turn)],
        ]
    )
    centred = points - np.array([WHOLE_FACE.x, WHOLE_FACE.y])[:, None, None]
    moves = np.tensordot(matrix - np.eye(2), centred, axes=1) + shift[:, None, None]
    moves += WARP_WOBBLE * _draw_wobble(points.shape[1:], random)
    axes = np.stack([frame.across, frame.down], axis=1)
    x, y = np.tensordot(axes, moves, axes=1)
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    channels = [
        ndimage.map_coordinates(
            pixels[:, :, channel], [rows + y, columns + x], order=3, mode="mirror"
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=2)


def _recolour(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    mean = pixels.mean(axis=(0, 1))
    pixels = mean + (pixels - mean) * (1 + random.uniform(-CONTRAST, CONTRAST))
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * (1 + random.uniform(-SATURATION, SATURATION))
    gains = 1 + random.uniform(-CHANNEL_GAIN, CHANNEL_GAIN, 3)
    return pixels * gains + random.uniform(-CHANNEL_OFFSET, CHANNEL_OFFSET, 3)


def _change_detail(
    pixels: np.ndarray, magnification: float, random: np.random.Generator
) -> np.ndarray:
    """Soften the face, sharpen it, shrink and enlarge it, or leave it as it is."""
    from scipy import ndimage

    change = random.choice(("softer", "sharper", "enlarged", "none"))
    sigma = magnification * random.uniform(0.4, 1.0)
    blurred = ndimage.gaussian_filter(pixels, (sigma, sigma, 0))
    if change == "softer":
        return blurred
    if change == "sharper":
        return pixels + random.uniform(0.3, 0.9) * (pixels - blurred)
    if change == "enlarged":
        return _shrink_and_enlarge(pixels, random.uniform(0.5, 0.85) / magnification)
    return pixels


def _shrink_and_enlarge(pixels: np.ndarray, scale: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    small = (max(1, round(scale * width)), max(1, round(scale * height)))
    picture = Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
    picture = picture.resize(small, Image.Resampling.LANCZOS)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
