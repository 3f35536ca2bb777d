"""Images made of noise, as files and in folders."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


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
