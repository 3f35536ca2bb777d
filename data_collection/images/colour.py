"""Convert the colours of a decoded image to 8-bit sRGB."""

import io

import numpy as np
from PIL import Image, ImageCms

from data_collection.images.errors import UnreadableImage


def convert_to_srgb(image: Image.Image) -> Image.Image:
    """Convert any mode to sRGB; scale 16-bit data (Pillow's convert would clip it) and compose
    transparent images on mid-grey."""
    image.load()  # Pillow turns a TIFF upright while it loads it, and then drops the tag
    orientation = image.getexif().get(0x0112)
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.int64)
        levels = levels >> 8 if levels.max() > 255 else levels
        rgb = Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert("RGB")
    elif image.mode == "F":
        raise UnreadableImage("floating-point pixels are not opened; save it as 8-bit JPEG or PNG")
    elif "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        rgb = Image.alpha_composite(
            Image.new("RGBA", rgba.size, (128, 128, 128, 255)), rgba
        ).convert("RGB")
    else:
        rgb = _apply_colour_profile(image)
    if orientation:
        rgb.getexif()[0x0112] = orientation
    return rgb


def _apply_colour_profile(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile is common in the wild and costs a shade, not the image
    return image.convert("RGB")
