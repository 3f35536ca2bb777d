"""Chains in which a picture is passed on: messengers and networks shrink it, save it again and drop
its metadata.

A chain starts from the original file, as a person would send it, and is named by what is done. Its
sizes and qualities are published ones where there are any (docs/validate.md cites them); the others
are chosen, not measured. Nothing is enlarged, except by a screenshot, which a phone shows at the
width of its screen.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageOps

from data_collection.images.colour import convert_to_srgb
from data_collection.images.opening import open_image

SHARING_VERSION = 1
"""Part of cache keys; raise it whenever a chain gives other pixels by the same steps."""

Basis = Literal["published", "chosen"]

_ENCODERS: dict[str, Callable[[int], dict[str, object]]] = {
    "JPEG": lambda quality: {"quality": quality, "subsampling": "4:2:0"},
    "WEBP": lambda quality: {"quality": quality},
    "PNG": lambda quality: {"compress_level": 1},  # lossless, so only the time depends on it
}


@dataclass(frozen=True, kw_only=True)
class SharingStep:
    """One service that a picture goes through.

    Attributes:
        longest_side_px: largest longest side; None for any.
        width_px: largest width; None for any.
        enlarges: whether a picture narrower than `width_px` is enlarged to it.
        quality: on the scale of the format; without meaning for a PNG.
    """

    format: Literal["JPEG", "WEBP", "PNG"]
    quality: int = 0
    longest_side_px: int | None = None
    width_px: int | None = None
    enlarges: bool = False

    def compute_scale(self, width: int, height: int) -> float:
        """Return by what the sides of a picture are multiplied."""
        scale = 1.0
        if self.longest_side_px:
            scale = min(scale, self.longest_side_px / max(width, height))
        if self.width_px:
            fit = self.width_px / width
            scale = fit if self.enlarges else min(scale, fit)
        return scale


@dataclass(frozen=True, kw_only=True)
class SharingChain:
    """Services that a picture goes through, one after the other.

    Attributes:
        basis: whether sizes and qualities are published ones or chosen.
        keeps_colours: whether the pixels are converted by the file's colour profile before it is
            dropped; otherwise it is dropped as it is, and the colours change.
    """

    name: str
    steps: tuple[SharingStep, ...]
    basis: Basis
    keeps_colours: bool = True


@dataclass(frozen=True, kw_only=True)
class SharedFile:
    """A picture that was passed on.

    Attributes:
        data: bytes of the file.
        shrunk, enlarged: whether a step made it smaller, or larger.
        lost_profile: whether a colour profile was dropped that its colours depend on.
    """

    data: bytes
    shrunk: bool
    enlarged: bool
    lost_profile: bool


_MESSENGER = SharingStep(format="JPEG", quality=70, longest_side_px=1600)
_NETWORK = SharingStep(format="JPEG", quality=70, width_px=1080)
_SCREENSHOT = SharingStep(format="PNG", width_px=1080, enlarges=True)

SHARING_CHAINS: tuple[SharingChain, ...] = (
    SharingChain(name="longest side 1600 px, JPEG 70", steps=(_MESSENGER,), basis="published"),
    SharingChain(
        name="longest side 1280 px, JPEG 87",
        steps=(SharingStep(format="JPEG", quality=87, longest_side_px=1280),),
        basis="published",
    ),
    SharingChain(
        name="longest side 2048 px, JPEG 85",
        steps=(SharingStep(format="JPEG", quality=85, longest_side_px=2048),),
        basis="published",
    ),
    SharingChain(name="1080 px wide, JPEG 70", steps=(_NETWORK,), basis="chosen"),
    SharingChain(
        name="1080 px wide, WebP 80",
        steps=(SharingStep(format="WEBP", quality=80, width_px=1080),),
        basis="chosen",
    ),
    SharingChain(
        name="screenshot 1080 px wide, then longest side 1600 px, JPEG 70",
        steps=(_SCREENSHOT, _MESSENGER),
        basis="chosen",
    ),
    SharingChain(
        name="longest side 1600 px, JPEG 70, then 1080 px wide, JPEG 70",
        steps=(_MESSENGER, _NETWORK),
        basis="chosen",
    ),
    SharingChain(
        name="metadata and colour profile removed",
        steps=(SharingStep(format="PNG"),),
        basis="chosen",
        keeps_colours=False,
    ),
)


def share_picture(chain: SharingChain, data: bytes, upright: Image.Image) -> SharedFile:
    """Pass a picture on.

    Args:
        data: bytes of the original file.
        upright: its pixels as `decode.decode_whole` gives them.
    """
    image, lost_profile = upright, False
    if not chain.keeps_colours:
        image, lost_profile = _decode_without_profile(data, upright)
    scales = []
    for step in chain.steps:
        encoded, scale = _apply_step(step, image)
        scales.append(scale)
        if step is not chain.steps[-1]:
            with Image.open(io.BytesIO(encoded), formats=(step.format,)) as opened:
                image = opened.convert("RGB")
    return SharedFile(
        data=encoded,
        shrunk=min(scales) < 1,
        enlarged=max(scales) > 1,
        lost_profile=lost_profile,
    )


def _apply_step(step: SharingStep, image: Image.Image) -> tuple[bytes, float]:
    scale = step.compute_scale(*image.size)
    if scale != 1:
        size = tuple(max(1, round(side * scale)) for side in image.size)
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, step.format, **_ENCODERS[step.format](step.quality))
    return buffer.getvalue(), scale


def _decode_without_profile(data: bytes, upright: Image.Image) -> tuple[Image.Image, bool]:
    """Return the upright pixels of a file as if it had no colour profile, and whether it has."""
    with open_image(data) as image:
        image.load()
        if not image.info.pop("icc_profile", None):
            return upright, False
        plain = convert_to_srgb(image)
    ImageOps.exif_transpose(plain, in_place=True)
    return plain, True
