"""Distortions that images undergo when shared: recompression, shrinking, blur, crop, screenshot.

Each is applied to the decoded square at its native resolution, before the canonicaliser, as in the
wild. The values are those of the literature (Wang et al. 2020, UniversalFakeDetect, SIDBench);
"social network" is the crop, resize and recompression of Corvi et al. 2023.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

DISTORTIONS_VERSION = 2
"""Part of cache keys; raise it whenever a distortion gives other pixels under the same name."""

DistortionEffect = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True, kw_only=True)
class Distortion:
    """A distortion of one strength.

    Attributes:
        family: "JPEG", "blur", ...
        value: strength as the axis shows it, such as "50"; empty if the family has only one.
        axis: meaning of the values, with their unit.
        apply: from square and random generator to the distorted RGB square, perhaps of another
            size.
        opposite: whether it is on the other side of the undistorted image than the distortions
            that follow in its family, such as darker before brighter.
    """

    family: str
    apply: DistortionEffect
    value: str = ""
    axis: str = ""
    opposite: bool = False

    @property
    def name(self) -> str:
        return f"{self.family} {self.value}".strip()

    def make_generator(self, face_id: str) -> np.random.Generator:
        """Return the random generator for this distortion of this image, the same in every run."""
        return np.random.default_rng(
            int(hashlib.sha256(f"{face_id}:{self.name}".encode()).hexdigest()[:16], 16)
        )

    def apply_to(self, square: Image.Image, face_id: str) -> Image.Image:
        """Distort a square with the generator for this image."""
        return self.apply(square, self.make_generator(face_id))


def reencode_image(square: Image.Image, format: str, **options) -> Image.Image:
    """Encode and decode an image."""
    buffer = io.BytesIO()
    square.save(buffer, format, **options)
    with Image.open(buffer, formats=(format,)) as image:
        return image.convert("RGB")


def apply_jpeg(square: Image.Image, *qualities: int) -> Image.Image:
    for quality in qualities:
        square = reencode_image(square, "JPEG", quality=quality, subsampling="4:2:0")
    return square


def apply_webp(square: Image.Image, quality: int) -> Image.Image:
    return reencode_image(square, "WEBP", quality=quality)


def resize_square(
    square: Image.Image, scale: float, kernel: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    side = max(1, round(square.width * scale))
    return square.resize((side, side), kernel)


def blur_square(square: Image.Image, sigma: float) -> Image.Image:
    return square.filter(ImageFilter.GaussianBlur(sigma))


def crop_square(
    square: Image.Image, keep: float, across: float = 0.5, down: float = 0.5
) -> Image.Image:
    """Crop to `keep` of the side, `across` and `down` of the way from the upper left to the lower
    right corner."""
    side = max(1, round(square.width * keep))
    left, top = round((square.width - side) * across), round((square.height - side) * down)
    return square.crop((left, top, left + side, top + side))


def add_noise(square: Image.Image, generator: np.random.Generator, sigma: float) -> Image.Image:
    noise = generator.standard_normal((square.height, square.width, 3), dtype=np.float32)
    return Image.fromarray(
        (np.asarray(square) + sigma * noise).round().clip(0, 255).astype(np.uint8)
    )


def simulate_screenshot(square: Image.Image) -> Image.Image:
    return apply_jpeg(resize_square(square, 0.9), 80)  # the PNG in between is lossless


def simulate_social_network(square: Image.Image, generator: np.random.Generator) -> Image.Image:
    keep, across, down = generator.uniform(5 / 8, 1), *generator.random(2)
    shrunk = crop_square(square, keep, across, down).resize((200, 200), Image.Resampling.BICUBIC)
    return apply_jpeg(shrunk, int(generator.integers(65, 101)))


def make_deterministic_effect(
    effect: Callable[..., Image.Image], *values: object
) -> DistortionEffect:
    """Make an effect without randomness."""
    return lambda square, generator: effect(square, *values)


def apply_gamma(square: Image.Image, exponent: float) -> Image.Image:
    """Raise grey levels of 0 to 1 to the power of the exponent; below 1 is brighter."""
    return square.point([round(255 * (level / 255) ** exponent) for level in range(256)] * 3)


def make_enhance_effect(enhancer: Callable, change: float) -> DistortionEffect:
    return lambda square, generator: enhancer(square).enhance(1 + change)


def _make_family(
    family: str,
    axis: str,
    effect: Callable[[float], DistortionEffect],
    values: tuple,
    value_format: str = "{:g}",
) -> list[Distortion]:
    """Make a distortion for each value; those before None are `opposite`."""
    n_opposite = values.index(None) if None in values else 0
    return [
        Distortion(
            family=family,
            value=value_format.format(value),
            axis=axis,
            apply=effect(value),
            opposite=index < n_opposite,
        )
        for index, value in enumerate(values)
        if value is not None
    ]


UNDISTORTED = Distortion(family="none", apply=make_deterministic_effect(lambda square: square))

_ENHANCE_CHANGES = (-0.2, -0.1, None, 0.1, 0.2)

DISTORTIONS: tuple[Distortion, ...] = (
    *_make_family(
        "JPEG",
        "JPEG quality",
        partial(make_deterministic_effect, apply_jpeg),
        (100, 95, 90, 80, 75, 70, 60, 50, 40, 30),
    ),
    *_make_family(
        "WebP", "WebP quality", partial(make_deterministic_effect, apply_webp), (90, 75, 50)
    ),
    *_make_family(
        "resize",
        "times the side",
        partial(make_deterministic_effect, resize_square),
        (0.25, 0.5, 0.75, None, 1.5, 2),
    ),
    *_make_family(
        "blur", "sigma, pixels", partial(make_deterministic_effect, blur_square), (0.5, 1, 2, 3, 4)
    ),
    *_make_family(
        "noise", "sigma, grey levels", lambda sigma: partial(add_noise, sigma=sigma), (2, 5, 10, 20)
    ),
    *_make_family(
        "centre crop",
        "part of the side kept",
        partial(make_deterministic_effect, crop_square),
        (0.95, 0.9, 0.75, 0.625, 0.5),
    ),
    *_make_family(
        "brightness",
        "change of brightness",
        partial(make_enhance_effect, ImageEnhance.Brightness),
        _ENHANCE_CHANGES,
        "{:+.0%}",
    ),
    *_make_family(
        "contrast",
        "change of contrast",
        partial(make_enhance_effect, ImageEnhance.Contrast),
        _ENHANCE_CHANGES,
        "{:+.0%}",
    ),
    *_make_family(
        "gamma",
        "exponent",
        partial(make_deterministic_effect, apply_gamma),
        (0.8, 0.9, None, 1.1, 1.2),
    ),
    Distortion(
        family="halved, bilinear",
        apply=make_deterministic_effect(resize_square, 0.5, Image.Resampling.BILINEAR),
    ),
    Distortion(
        family="halved, Lanczos",
        apply=make_deterministic_effect(resize_square, 0.5, Image.Resampling.LANCZOS),
    ),
    *(
        Distortion(
            family="double JPEG",
            value=f"{first}, {second}",
            axis="qualities",
            apply=make_deterministic_effect(apply_jpeg, first, second),
        )
        for first, second in ((75, 90), (50, 90))
    ),
    Distortion(family="screenshot", apply=make_deterministic_effect(simulate_screenshot)),
    Distortion(family="social network", apply=simulate_social_network),
)
