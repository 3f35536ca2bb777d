"""Pictures made of noise, and commands run as people run them."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_collection import console, package_index
from data_collection.package_index import Package

ROOT = Path(__file__).parent.parent

SECRET = "canary-secret-51c7"
"""A key that must never be told."""


def picture(seed: int, side: int = 96, generated: bool = False) -> Image.Image:
    """A blurred blob with grain; generated ones carry a faint grid of period 4, as an upsampling network leaves it."""
    draw = np.random.default_rng(seed)
    blob = Image.fromarray(draw.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(blob, dtype=np.float64) * 0.7 + 30 + draw.normal(0, 8, (side, side, 1))
    if generated:
        pixels += 18 * ((np.arange(side) % 4 == 0)[:, None, None] | (np.arange(side) % 4 == 0)[None, :, None])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def make_faces(folder: Path, count: int = 40) -> Path:
    """Writes folder/real (JPEG) and folder/generated (PNG) with `count` pictures each."""
    for name, format, options in (("real", "JPEG", {"quality": 92}), ("generated", "PNG", {})):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = picture(number + 10_000 * (name == "generated"), generated=name == "generated")
            (folder / name / f"face {number:03}.{format.lower()}").write_bytes(encoded(image, format, **options))
    return folder


def command(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Runs `python -m WORDS` in a second process, as a person would, with the repository on the path."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env=environment_of(**environment),
        capture_output=True,
        text=True,
        timeout=300,
    )


def environment_of(**environment: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", **environment}


def fetched(package: Package) -> None:
    """Has a package in the cache, or skips the test where the package index cannot be reached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_RETRIES", "0")
        try:
            package_index.fetch(package)
        except console.PlainError as error:
            pytest.skip(str(error))


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Puts a file system of its own, such as of "400k", at a folder; skips the test where nobody may mount."""
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


COLLECT = ("data_collection", "--image-size", 64, "--min-side", 48, "--no-audit")
TRAIN = ("training", "--weights", "random", "--bases", "mobilenet_v2", "--sizes", 64)


def collect_command(faces: Path, *more: object) -> list[object]:
    return [*COLLECT, "--real", f"folder:{faces / 'real'}", "--generated", f"folder:{faces / 'generated'}", *more]
