"""The only place that decodes, crops, resizes or encodes an image.

Collection, training, validation and detection all see pixels through `decode` and `canonical_face`, so no class and
no room can be told apart by the way its pictures were handled.
"""

import functools
import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageCms, ImageOps, ImageStat, JpegImagePlugin

CANONICALISER_VERSION = 2
"""Part of every feature cache's key: features from another resize differ by up to 11% (cosine .891)."""

# Only these decoders are ever opened: the PSD, FITS, PDF, EPS and JPEG 2000 ones had most of Pillow's CVEs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")
MAX_PIXELS = 25_000_000
MAX_BYTES = 200_000_000
MOST_SCANS = 100
"""Of a progressive JPEG; encoders write about ten, and each of them goes over all pixels."""

MOST_EXIF = 100
"""Parts, of 64 kB at most: Pillow joins them in quadratic time, a minute for a JPEG of 100 MB that was made for it."""

FINAL_QUALITY = (60, 95)
HISTORY_QUALITY = (35, 85)
HISTORY_SCALE = (0.4, 0.9)

# Pillow warns at this size and decodes all the same; here the warning is the refusal.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")  # of strangers' metadata, thousands for one picture
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

# The luminance table of the JPEG standard (annex K) at quality 50, as libjpeg writes it.
_LUMA_AT_50 = np.array(
    [16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29]
    + [51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121]
    + [120, 101, 72, 92, 95, 98, 112, 100, 103, 99],
    dtype=np.float64,
)


class UnreadableImage(ValueError):
    """The bytes are no picture that we open; the message is the reason, in words."""


class UnknownFormat(UnreadableImage):
    """The bytes are no picture of a format that is opened."""


class NotOneFace(UnreadableImage):
    """The picture is to be cropped to its face and does not show just one; the message says how many."""


@dataclass(frozen=True)
class Face:
    """A decoded original.

    Attributes:
        square: RGB picture at native resolution, upright: the centre square, or the square around the face.
        format: container as Pillow names it ("JPEG", "PNG", ...).
        mode: pixel mode before conversion ("RGB", "L", "CMYK", "I;16", ...).
        width, height: as stored, in pixels, before the orientation tag is applied.
        quality: JPEG quality estimated from the luminance table on libjpeg's scale of 1 to 100; None if not a JPEG.
        frames: number of frames, 2 for a TIFF with more; only the first is used.
    """

    square: Image.Image
    format: str
    mode: str
    width: int
    height: int
    quality: int | None
    frames: int


def decode(data: bytes, crop: str = "centre") -> Face:
    """Decodes bytes into an upright RGB square.

    Args:
        crop: a name in CROPS.

    Raises:
        UnreadableImage: not an image, damaged, of a format that is not opened, or larger than 25 megapixels
            (read from the header, before any pixel is decoded).
        NotOneFace: with `crop` "face".
        PlainError: with `crop` "face", where the face detector cannot be had.
    """
    whole = _whole(data)
    return replace(whole, square=CROPS[crop](whole.square))


def _whole(data: bytes) -> Face:
    try:
        return _decode(data)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UnreadableImage(f"larger than {MAX_PIXELS // 1_000_000} megapixels") from None
    except UnreadableImage:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types on damaged data; each means the same here.
        kind = UnknownFormat if isinstance(error, Image.UnidentifiedImageError) else UnreadableImage
        raise kind(_why_unreadable(data, error)) from None


def _decode(data: bytes) -> Face:
    if data.count(b"Exif\0\0") > MOST_EXIF:
        raise UnreadableImage(f"EXIF in more than {MOST_EXIF} parts, which only serves to waste time")
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        if image.format == "JPEG" and data.count(b"\xff\xda") > MOST_SCANS:
            raise UnreadableImage(f"a JPEG of more than {MOST_SCANS} scans, which only serves to waste time")
        if max(image.size) > 20 * min(image.size):
            raise UnreadableImage(f"{image.width}x{image.height} pixels is a strip, not a face")
        quality = _jpeg_quality(image)
        mode, frames = image.mode, _frames(image)
        upright = _to_rgb(image)
        ImageOps.exif_transpose(upright, in_place=True)
        return Face(upright, image.format, mode, image.width, image.height, quality, frames)


def _frames(image: Image.Image) -> int:
    """Of a TIFF 2 at most: Pillow counts them in quadratic time, hours for a file of 20 MB that was made for it."""
    if image.format == "TIFF":
        return 2 if getattr(image, "is_animated", False) else 1
    return getattr(image, "n_frames", 1)


def _why_unreadable(data: bytes, error: Exception) -> str:
    if not data:
        return "empty file"
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF and video files are not opened; save it as JPEG or PNG"
    if data[:4] == b"GIF8":
        return "GIF is not opened; save it as JPEG or PNG"
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL is not opened; save it as JPEG or PNG"
    if isinstance(error, MemoryError):
        return "opening it takes more memory than there is"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not an image of a known format ({', '.join(FORMATS)})"
    return "damaged: " + " ".join(str(error).split())[:100]


def _jpeg_quality(image: Image.Image) -> int | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or 0 not in image.quantization:
        return None
    scale = 100 * float(np.median(np.array(image.quantization[0]) / _LUMA_AT_50))
    return round((200 - scale) / 2 if scale <= 100 else 5000 / scale)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Converts any mode to sRGB; 16-bit data is scaled (Pillow's convert would clip it), alpha lies on mid-grey."""
    image.load()  # Pillow turns a TIFF upright while it loads it, and then drops the tag
    orientation = image.getexif().get(0x0112)
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        rgb = Image.fromarray((deep >> 8 if deep.max() > 255 else deep).clip(0, 255).astype(np.uint8)).convert("RGB")
    elif image.mode == "F":
        raise UnreadableImage("floating-point pixels are not opened; save it as 8-bit JPEG or PNG")
    elif "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        rgb = Image.alpha_composite(Image.new("RGBA", rgba.size, (128, 128, 128, 255)), rgba).convert("RGB")
    else:
        rgb = _through_profile(image)
    if orientation:
        rgb.getexif()[0x0112] = orientation
    return rgb


def _through_profile(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile is common in the wild and costs a shade, not the picture
    return image.convert("RGB")


def _centre_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    if side == max(image.size):
        return image
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _face_square(image: Image.Image) -> Image.Image:
    from data_collection import face_crop

    try:
        return face_crop.crop(image)
    except face_crop.NoSingleFace as error:
        raise NotOneFace(str(error)) from None


CROPS: dict[str, Callable[[Image.Image], Image.Image]] = {"centre": _centre_square, "face": _face_square}


def content_id(data: bytes) -> str:
    """The name of an original: sha256 of its bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical_jpeg(face: Face, face_id: str, size: int, view: int = 0) -> bytes:
    """Encodes view `view` of a face as a `size` x `size` JPEG without metadata.

    Every view is one deterministic draw from (face_id, view): a final quality from U(60, 95), 4:2:0. Views above 0
    also draw a mirror and a history, as if the picture had been passed on before: a JPEG of quality U(35, 85), or a
    shrinking to U(.4, .9) of its size. View 0 is what is stored (at the data set's size), validated and detected (at the
    detector's).
    """
    draw = np.random.default_rng(int(hashlib.sha256(f"{face_id}:{view}".encode()).hexdigest()[:16], 16))
    quality = int(draw.integers(FINAL_QUALITY[0], FINAL_QUALITY[1] + 1))
    square = face.square
    if view:
        square = _with_history(square, size, draw)
    if square.width != size:
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return jpeg(square, quality)


def _with_history(square: Image.Image, size: int, draw: np.random.Generator) -> Image.Image:
    if draw.random() < 0.5:
        square = ImageOps.mirror(square)
    # A history at many times the final size would be invisible after shrinking.
    if square.width > 2 * size:
        square = square.resize((2 * size, 2 * size), Image.Resampling.LANCZOS)
    if draw.random() < 0.5:
        return Image.open(io.BytesIO(jpeg(square, int(draw.integers(*HISTORY_QUALITY)))))
    side = max(16, round(square.width * draw.uniform(*HISTORY_SCALE)))
    return square.resize((side, side), Image.Resampling.LANCZOS)


def jpeg(image: Image.Image, quality: int) -> bytes:
    """An RGB picture as a JPEG, 4:2:0, without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def canonical_face(face: Face, face_id: str, size: int, view: int = 0) -> np.ndarray:
    """The pixels of `canonical_jpeg`: uint8, shape (size, size, 3), values 0 to 255."""
    with Image.open(io.BytesIO(canonical_jpeg(face, face_id, size, view)), formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"))


def is_single_colour(face: Face) -> bool:
    """Whether the picture is one flat colour, as a safety checker leaves the images it blacks out."""
    return max(ImageStat.Stat(face.square.resize((64, 64), Image.Resampling.NEAREST)).stddev) < 2


def is_upscaled(face: Face) -> bool:
    """Whether the finest detail is missing, as in a small picture that was enlarged before we got it.

    Looks at the centre at native resolution: between .7 and 1 of the Nyquist frequency an enlarged picture holds
    hardly more power than 8-bit rounding itself (1/12 of a squared grey level). Measured on 700 faces as published
    and 400 laboratory photographs: none lies under .18. The same faces enlarged threefold by bicubic or Lanczos
    resampling: all lie under .17; twofold: one in seven (bicubic) to three in five (Lanczos). What a JPEG after the
    enlarging has covered is not found.
    """
    return detail_power(face.square) < 0.17


def detail_power(square: Image.Image) -> float:
    """Median spectral power between .7 and 1 of Nyquist, in squared grey levels per pixel (white noise: its variance)."""
    side = min(256, square.width)
    corner = (square.width - side) // 2
    grey = np.asarray(square.crop((corner, corner, corner + side, corner + side)).convert("L"), dtype=np.float32)
    window, fine = _window_and_fine(side)
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)[fine]) ** 2 / np.sum(window**2)
    # The power of one frequency is exponentially distributed; its median is ln 2 of its mean.
    return float(np.median(power) / np.log(2))


@functools.cache
def _window_and_fine(side: int) -> tuple[np.ndarray, np.ndarray]:
    """The second for the half of the spectrum that rfft2 computes; the other half mirrors it."""
    radius = np.hypot(2 * np.fft.fftfreq(side)[:, None], 2 * np.fft.rfftfreq(side)[None, :])
    return np.outer(np.hanning(side), np.hanning(side)).astype(np.float32), (radius > 0.7) & (radius < 1)
