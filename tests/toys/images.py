"""Images made of noise, as files and in folders."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def make_image(seed: int, side: int = 96, generated: bool = False) -> Image.Image:
    """Return a blurred blob with grain; generated ones have a faint grid of period 4, as upsampling
    networks leave it."""
    generator = np.random.default_rng(seed)
    blob = Image.fromarray(generator.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    pixels = np.asarray(blob, dtype=np.float64) * 0.7 + 30 + generator.normal(0, 8, (side, side, 1))
    if generated:
        pixels += 18 * (
            (np.arange(side) % 4 == 0)[:, None, None] | (np.arange(side) % 4 == 0)[None, :, None]
        )
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encode_image(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def write_face_folders(folder: Path, count: int = 40) -> Path:
    """Write folder/real (JPEG) and folder/generated (PNG) with `count` images each."""
    for name, format, options in (("real", "JPEG", {"quality": 92}), ("generated", "PNG", {})):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = make_image(
                number + 10_000 * (name == "generated"), generated=name == "generated"
            )
            (folder / name / f"face {number:03}.{format.lower()}").write_bytes(
                encode_image(image, format, **options)
            )
    return folder


def draw_face(seed: int, side: int = 160) -> Image.Image:
    """Return a drawn face, eyes and mouth where those of all other seeds are, with its own colours,
    proportions, hair and background."""
    generator = np.random.default_rng(seed)
    scale = 4 * side / 100

    def colour(low: int, high: int) -> tuple[int, ...]:
        return tuple(int(level) for level in generator.integers(low, high, 3))

    def oval(across: float, down: float, width: float, height: float, fill: tuple) -> None:
        width, height = (size * generator.uniform(0.8, 1.2) for size in (width, height))
        corners = (across - width, down - height, across + width, down + height)
        pencil.ellipse([scale * value for value in corners], fill=fill)

    image = make_image(seed, 4 * side)
    pencil = ImageDraw.Draw(image)
    hair, skin, lips, iris = colour(10, 160), colour(120, 240), colour(60, 180), colour(0, 120)
    oval(50, 42, 34, 36, hair)
    oval(50, 112, 42, 26, colour(0, 255))
    oval(50, 52, 26, 34, skin)
    oval(50, 22 + generator.uniform(-6, 6), 20, 9, hair)
    for across in (38, 62):
        oval(across, 45, 6, 3, (245, 245, 245))
        oval(across, 45, 2.5, 2.5, iris)
        oval(across, 38, 7, 1.5, hair)
    oval(50, 58, 3, 6, tuple(int(0.85 * level) for level in skin))
    oval(50, 71, 10, 3, lips)
    return image.resize((side, side), Image.Resampling.LANCZOS)
