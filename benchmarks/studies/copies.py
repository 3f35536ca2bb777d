"""Measure which copies of a picture are found, and which different pictures are taken for copies.

Run `python -m benchmarks.studies.copies FOLDER...`; a thousand pictures take about three minutes.
Some pictures of every folder are copied in each way of COPIES, and each copy is looked for among
all pictures, by perceptual hash alone and as the collection does it. Then the pictures themselves
are compared with each other. Whether a pair that is found there is a copy only a person can tell:
--out draws those of which the hashes know nothing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image, ImageOps

from data_collection.dataset import near_duplicates
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode, encode, errors, quality
from data_collection.sources import local_folder
from runtime import atomic_files, console, hashing, plotting
from validation.robustness.distortions import apply_jpeg, blur_square, crop_square, resize_square

STRIP_SIDE_PX = 160
MAX_STRIPS = 40

Effect = Callable[[Image.Image], Image.Image]


def crop_sides(square: Image.Image, share: float) -> Image.Image:
    return crop_square(square, 1 - 2 * share)


def turn(square: Image.Image, degrees: float) -> Image.Image:
    """Turn a picture; its corners stay black."""
    return square.rotate(degrees, Image.Resampling.BICUBIC)


def frame(square: Image.Image, share: float) -> Image.Image:
    return ImageOps.expand(square, round(share * square.width), "white")


COPIES: dict[str, Effect] = {
    "JPEG 30": lambda square: apply_jpeg(square, 30),
    "quarter size": lambda square: resize_square(square, 0.25),
    "blur, sigma 1% of the side": lambda square: blur_square(square, square.width / 100),
    "mirrored": ImageOps.mirror,
    "2% cropped a side": lambda square: crop_sides(square, 0.02),
    "5% cropped a side": lambda square: crop_sides(square, 0.05),
    "10% cropped a side": lambda square: crop_sides(square, 0.1),
    "8% cropped left and above": lambda square: crop_square(square, 0.92, 1, 1),
    "8% cropped right and above": lambda square: crop_square(square, 0.92, 0, 1),
    "turned by 5 degrees": lambda square: turn(square, 5),
    "turned by 10 degrees": lambda square: turn(square, -10),
    "white frame of 5%": lambda square: frame(square, 0.05),
    "white frame of 10%": lambda square: frame(square, 0.1),
    "mirrored, 5% cropped a side": lambda square: crop_sides(ImageOps.mirror(square), 0.05),
    "mirrored, turned by 5 degrees": lambda square: turn(ImageOps.mirror(square), -5),
    "turned by 5 degrees, 5% cropped a side": lambda square: crop_sides(turn(square, 5), 0.05),
    "5% cropped a side, JPEG 30": lambda square: apply_jpeg(crop_sides(square, 0.05), 30),
    "8% cropped left and above, JPEG 30": lambda square: apply_jpeg(
        crop_square(square, 0.92, 1, 1), 30
    ),
    "10% cropped a side, quarter size": lambda square: resize_square(crop_sides(square, 0.1), 0.25),
}


@dataclass(frozen=True)
class Picture:
    """A row as the collection makes it, and where its file lies."""

    record: FaceRecord
    path: Path


def read_pictures(folders: Sequence[Path], max_images: int) -> list[Picture]:
    """Read all pictures once; leave out exact copies and those of a single colour."""
    pictures: dict[str, Picture] = {}
    for folder in folders:
        faces = local_folder.list_folder_candidates(folder, "real", folder.name, {})[:max_images]
        for face in console.track_progress(faces, folder.name, len(faces)):
            data = face.load()
            try:
                decoded = decode.decode_face(data)
            except errors.UnreadableImage:
                continue
            if not quality.is_single_colour(decoded):
                picture_id = hashing.hash_bytes(data)
                record = make_record(picture_id, face.source, face.file, decoded.square)
                pictures.setdefault(picture_id, Picture(record, folder / face.file))
    return list(pictures.values())


def make_record(picture_id: str, source: str, file: str, square: Image.Image) -> FaceRecord:
    fingerprints = near_duplicates.compute_fingerprints(square)
    return FaceRecord(
        id=picture_id, label="real", source=source, file=file, status="accepted", **fingerprints
    )


def measure_misses(
    pictures: Sequence[Picture], originals: Sequence[int], effect: Effect
) -> tuple[list[int], list[int]]:
    """Copy some pictures and look for each copy among all.

    Args:
        originals: indices of the pictures to copy.

    Returns:
        The indices of those whose copy is missed by perceptual hash, and by both passes.
    """
    records = [picture.record for picture in pictures]
    copies = [
        make_record(records[index].id, "copies", records[index].file, effect(read_square(path)))
        for index, path in ((index, pictures[index].path) for index in originals)
    ]
    missed = []
    for find in (near_duplicates.find_close_hashes, near_duplicates.find_near_duplicates_between):
        found = {(originals[copy], known) for copy, known in find(copies, records)}
        missed.append([index for index in originals if (index, index) not in found])
    return missed[0], missed[1]


def read_square(path: Path) -> Image.Image:
    return decode.decode_face(path.read_bytes()).square


def main(
    folders: Annotated[tuple[Path, ...], tyro.conf.Positional],
    copied: int = 25,
    max_images: int = 10_000,
    out: Path | None = None,
    seed: int = 0,
) -> None:
    """Print misses by kind of copy, and the pairs found among different files.

    Args:
        folders: folders of pictures.
        copied: pictures of each folder that are copied in every way.
        max_images: at most so many pictures of each folder.
        out: write a PNG of the pairs found among different files.
        seed: for the choice of the copied pictures.
    """
    pictures = read_pictures(folders, max_images)
    originals = choose_originals(pictures, copied, seed)
    rows = []
    for name, effect in console.track_progress(COPIES.items(), "kinds of copies", len(COPIES)):
        by_hash, by_both = measure_misses(pictures, originals, effect)
        rows.append([name, *(f"{len(m) / len(originals):.3f}" for m in (by_hash, by_both))])
    console.print_table(
        f"Share of {len(originals)} copies of each kind that are missed among {len(pictures)} "
        "pictures",
        ["copy", "hash alone", "hash and registration"],
        rows,
    )
    print_pairs_of_pictures(pictures, out)


def choose_originals(pictures: Sequence[Picture], copied: int, seed: int) -> list[int]:
    """Return indices of `copied` pictures of each source, all if there are fewer."""
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for source in dict.fromkeys(picture.record.source for picture in pictures):
        indices = [i for i, picture in enumerate(pictures) if picture.record.source == source]
        count = min(copied, len(indices))
        chosen += map(int, random.choice(indices, count, replace=False))
    return chosen


def print_pairs_of_pictures(pictures: Sequence[Picture], out: Path | None) -> None:
    """Print how many pairs of different files each pass finds, by source, and draw those that
    only registration finds."""
    records = [picture.record for picture in pictures]
    start = time.perf_counter()
    hashed = {tuple(sorted(pair)) for pair in near_duplicates.find_close_hashes(records, records)}
    hashed = {pair for pair in hashed if pair[0] != pair[1]}
    both = set(map(tuple, near_duplicates.find_near_duplicate_pairs(records).tolist()))
    seconds = time.perf_counter() - start
    rows = []
    for source in dict.fromkeys(record.source for record in records):
        count = sum(record.source == source for record in records)
        counts = [
            sum(source in (records[i].source, records[j].source) for i, j in pairs)
            for pairs in (hashed, both)
        ]
        rows.append([source, f"{count:,}", f"{count * (count - 1) // 2:,}", *map(str, counts)])
    console.print_table(
        "Pairs of different files that are taken for near-duplicates",
        ["folder", "pictures", "pairs in it", "hash alone", "hash and registration"],
        rows,
    )
    console.print_message(f"Both passes took {seconds:.1f} s for {len(records)} pictures.")
    for i, j in sorted(both):
        how = "hash" if (i, j) in hashed else "registration alone"
        console.print_message(f"{pictures[i].path} and {pictures[j].path}: {how}")
    if out and both:
        strips = [
            [read_square(pictures[index].path).resize((STRIP_SIDE_PX,) * 2) for index in pair]
            for pair in sorted(both, key=lambda pair: pair in hashed)[:MAX_STRIPS]
        ]
        atomic_files.write_atomically(
            out, encode.encode_png(plotting.compose_image_grid(strips, STRIP_SIDE_PX))
        )


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.studies.copies"))
