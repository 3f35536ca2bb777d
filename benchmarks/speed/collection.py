"""Measure the speed and memory of collecting and auditing, on images made of noise."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measuring import Measurement, build_environment, measure_process, measure_seconds
from data_collection.dataset import manifest
from runtime import console

SMALL_IMAGES_PER_CLASS, LARGE_IMAGES_PER_CLASS = 700, 2000
"""Images per class in two data sets. The difference in time between them excludes start-up."""

IMAGE_SIDE_PX = 600
MANIFEST_ROWS = 1_000_000


def measure_collection(work_folder: Path) -> list[Measurement]:
    folders = [work_folder / f"{label}-{IMAGE_SIDE_PX}" for label in manifest.LABELS]
    write_blob_faces(folders, 0, SMALL_IMAGES_PER_CLASS)
    small_seconds, small_memory = measure_collecting(folders, work_folder, "small")
    write_blob_faces(folders, SMALL_IMAGES_PER_CLASS, LARGE_IMAGES_PER_CLASS)
    large_seconds, large_memory = measure_collecting(folders, work_folder, "large")
    audit_seconds, audit_memory = measure_process(
        ["data_collection", "audit", "data/small"],
        work_folder,
        exit_codes=(0, console.EXIT_SHORTCUT),
    )
    return [
        Measurement(
            f"collecting images of {IMAGE_SIDE_PX} px, start-up excluded",
            2 * (LARGE_IMAGES_PER_CLASS - SMALL_IMAGES_PER_CLASS) / (large_seconds - small_seconds),
            "images/s",
            promised_min=120,
        ),
        Measurement(
            f"peak resident memory of collecting {2 * SMALL_IMAGES_PER_CLASS} of them",
            small_memory,
            "GB",
            promised_max=0.6,
        ),
        Measurement(
            f"peak resident memory of collecting {2 * LARGE_IMAGES_PER_CLASS} of them",
            large_memory,
            "GB",
            promised_max=0.6,
        ),
        Measurement(
            f"audit of {2 * SMALL_IMAGES_PER_CLASS} of them, with its page",
            audit_seconds,
            "s",
            promised_max=90,
        ),
        Measurement("peak resident memory of that audit", audit_memory, "GB"),
        Measurement(
            "opening a manifest of a million rows",
            measure_manifest_reading(work_folder / "rows"),
            "s",
            promised_max=10,
        ),
    ]


def write_blob_faces(folders: list[Path], start: int, stop: int) -> None:
    """Write soft blobs with grain: JPEGs of 2 to 3 bits per pixel as real, PNGs as generated."""
    rng = np.random.default_rng(start)
    grain = rng.normal(0, 3, (2 * IMAGE_SIDE_PX, 2 * IMAGE_SIDE_PX, 1)).astype(np.float32)
    for folder, suffix, options in zip(
        folders, ("jpg", "png"), ({"quality": 92}, {"compress_level": 1}), strict=True
    ):
        folder.mkdir(exist_ok=True)
        for number in range(start, stop):
            blob = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
            down, across = rng.integers(0, IMAGE_SIDE_PX, 2)
            pixels = np.asarray(
                blob.resize((IMAGE_SIDE_PX, IMAGE_SIDE_PX), Image.Resampling.BICUBIC),
                dtype=np.float32,
            )
            pixels = pixels + grain[down : down + IMAGE_SIDE_PX, across : across + IMAGE_SIDE_PX]
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                folder / f"{number}.{suffix}", **options
            )


def measure_collecting(folders: list[Path], work_folder: Path, dataset: str) -> tuple[float, float]:
    real, generated = folders
    sources = ["--real", f"folder:{real}", "--generated", f"folder:{generated}"]
    return measure_process(
        ["data_collection", *sources, "--dataset", dataset, "--no-audit"], work_folder
    )


def measure_manifest_reading(folder: Path) -> float:
    """Return the seconds to read MANIFEST_ROWS rows of generated faces in a fresh process."""
    record = manifest.FaceRecord(
        id="0" * 64,
        label="generated",
        source="Realistic_Vision_V1.4",
        file="00000000.png",
        status="accepted",
        group="0" * 16,
        split="train",
        bytes=400_000,
        format="PNG",
        mode="RGB",
        width=512,
        height=512,
        phash="0" * 16,
        phash_mirrored="0" * 16,
        prompt="a photo of the face",
        seed=0,
        generator="Realistic_Vision_V1.4",
        attributes={"age": "35", "gender": "woman", "hair": "long hair"},
        drawn_with={
            "model": "SG161222/Realistic_Vision_V1.4",
            "steps": 25,
            "guidance": 7.0,
            "dtype": "float16",
        },
    )
    line = json.dumps(asdict(record)).replace("0" * 64, "%064x") + "\n"
    folder.mkdir()
    with manifest.manifest_path(folder).open("w") as file:
        file.writelines(line % number for number in range(MANIFEST_ROWS))
    os.sync()  # otherwise the disk is still writing while the file is read
    program = (
        "import sys; from pathlib import Path; from data_collection.dataset import manifest; "
        "manifest.read_manifest(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(folder)]
    return measure_seconds(lambda: subprocess.run(command, env=build_environment(), check=True))
