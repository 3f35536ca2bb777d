"""Convert the colours of a decoded image to 8-bit sRGB."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

from data_collection.images.errors import UnreadableImage

BITS_PER_SAMPLE_TAG = 258

WIDE_PRIMARIES_D50 = {
    9: ((0.67348, 0.27904, -0.00194), (0.16566, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
"""Red, green and blue as XYZ under D50 (Bradford), by their number in ITU-T H.273: those of BT.2020
and of Display P3."""


def convert_to_srgb(image: Image.Image) -> Image.Image:
    """Convert any mode to sRGB: apply a colour profile to the colours, scale 16-bit data (Pillow's
    convert would clip it), and compose transparent images on mid-grey."""
    image.load()  # Pillow turns a TIFF upright while it loads it, and then drops the tag
    orientation = image.getexif().get(0x0112)
    if image.mode == "F":
        raise UnreadableImage("floating-point pixels are not opened; save it as 8-bit JPEG or PNG")
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):
        rgb = _apply_colour_profile(_scale_to_8_bits(image), profile)
    elif _is_transparent(image):
        rgba = image.convert("RGBA")
        rgba_on_grey = Image.new("RGBA", rgba.size, (128, 128, 128, 255))
        if profile:
            # The profile is one of the colours alone: of a grey image, of grey.
            colours = rgba.convert("L" if image.mode in ("L", "LA", "La") else "RGB")
            alpha = rgba.getchannel("A")
            rgba = _apply_colour_profile(colours, profile).convert("RGBA")
            rgba.putalpha(alpha)
        rgb = Image.alpha_composite(rgba_on_grey, rgba).convert("RGB")
    elif image.mode in ("RGB", "CMYK", "L"):
        rgb = _apply_colour_profile(image, profile)
    elif image.mode in ("P", "YCbCr", "RGBX"):
        rgb = _apply_colour_profile(image.convert("RGB"), profile)
    else:
        rgb = image.convert("RGB")
    if orientation:
        rgb.getexif()[0x0112] = orientation
    return rgb


def build_wide_profile(primaries: int) -> bytes:
    """Return a colour profile with these primaries, a key of WIDE_PRIMARIES_D50, and the curve of
    sRGB, which AVIF and HEIC files without a profile mean."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), WIDE_PRIMARIES_D50[primaries], strict=True):
        entry = profile.index(name, 128)
        start = int.from_bytes(profile[entry + 4 : entry + 8]) + 8
        profile[start : start + 12] = struct.pack(">3i", *(round(65536 * part) for part in xyz))
    return bytes(profile)


def _is_transparent(image: Image.Image) -> bool:
    bands = image.getbands()
    return "A" in bands or "a" in bands or "transparency" in image.info


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale a grey image of up to 16 bits: by the bits of a TIFF's tag; one whose values are all
    under 256 is taken as it is."""
    levels = np.asarray(image).astype(np.int64)
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE_TAG, (16,))[0]
    if 8 < bits < 16:
        levels = levels >> (bits - 8)
    elif levels.max() > 255:
        levels = levels >> 8
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def _apply_colour_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an image of the mode RGB, CMYK or L."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile is common in the wild and costs a shade, not the image
    return image.convert("RGB")
