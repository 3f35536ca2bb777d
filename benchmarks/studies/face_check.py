"""Count how many portraits the face check refuses, and how many pictures without a face it accepts.

Run `python -m benchmarks.studies.face_check FOLDER ...` on folders of images that show one person
each. Squares cut out of the images' background stand for pictures without a face. Look at the
refused images before you call a refusal wrong: some show two persons, or nothing.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image

from data_collection.images import decode, errors, face_detector
from detection import face_check, image_paths
from runtime import console

BACKGROUND_SHARE = 0.3
"""Side of a square of background, as a share of the image's shorter side."""

MIN_BACKGROUND_PX = 100
PLACES_TRIED = 20


@dataclass
class FolderCounts:
    """Counts of one folder; `milliseconds` are those of decoding and of counting faces."""

    images: int = 0
    without_face: list[str] = field(default_factory=list)
    with_several: list[str] = field(default_factory=list)
    backgrounds: int = 0
    accepted_backgrounds: int = 0
    milliseconds: list[tuple[float, float]] = field(default_factory=list)


def main(folders: Annotated[tuple[Path, ...], tyro.conf.Positional], seed: int = 0) -> None:
    """Print the counts of each folder, and name the refused images.

    Args:
        folders: each with images of one person.
        seed: of the places where background is cut out.
    """
    counts = {folder: count_folder(folder, np.random.default_rng(seed)) for folder in folders}
    columns = ("folder", "images", "no face", "several", "background", "accepted", "decode", "look")
    rows = []
    for folder, result in counts.items():
        decoding, looking = np.median(result.milliseconds, axis=0)
        rows.append(
            [
                f"{folder.parent.name}/{folder.name}",
                *map(str, (result.images, len(result.without_face), len(result.with_several))),
                *map(str, (result.backgrounds, result.accepted_backgrounds)),
                f"{decoding:.1f} ms",
                f"{looking:.1f} ms",
            ]
        )
    console.print_table("Images refused, and squares of background accepted", columns, rows)
    for folder, result in counts.items():
        for reason, names in (("no face", result.without_face), ("several", result.with_several)):
            if names:
                console.print_message(f"{folder}: {reason}: {', '.join(names)}")


def count_folder(folder: Path, random: np.random.Generator) -> FolderCounts:
    counts = FolderCounts()
    for path in (image.path for image in image_paths.find_images([str(folder)])):
        started = time.perf_counter()
        try:
            square = decode.decode_face(path.read_bytes()).square
        except errors.UnreadableImage:
            continue
        decoded = time.perf_counter()
        n_faces = face_check.count_faces(square)
        looked = time.perf_counter()
        counts.milliseconds.append((1000 * (decoded - started), 1000 * (looked - decoded)))
        counts.images += 1
        if n_faces != 1:
            (counts.with_several if n_faces else counts.without_face).append(path.name)
        elif background := cut_background(square, random):
            counts.backgrounds += 1
            counts.accepted_backgrounds += face_check.count_faces(background) == 1
    return counts


def cut_background(square: Image.Image, random: np.random.Generator) -> Image.Image | None:
    """Cut out a square that overlaps no face; return None if no place for it was found."""
    side = round(BACKGROUND_SHARE * square.width)
    if side < MIN_BACKGROUND_PX:
        return None
    faces = face_detector.find_faces(square)
    for _ in range(PLACES_TRIED):
        left, top = random.integers(0, square.width - side, 2)
        if not any(
            left < face.left + face.side
            and face.left < left + side
            and top < face.top + face.side
            and face.top < top + side
            for face in faces
        ):
            return square.crop((left, top, left + side, top + side))
    return None


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.studies.face_check"))
