"""Measure which copies of a picture are found, and which different pictures are taken for copies.

Run `python -m benchmarks.studies.copies FOLDER...`; 1,557 pictures, of which 300 are copied, take
about two minutes of processor time.
Some pictures of every folder are copied in each way of COPIES, and each copy is looked for among
all pictures, by perceptual hash alone and as the collection does it. Then the pictures themselves
are compared with each other. Whether a pair that is found there is a copy only a person can tell:
--out draws those of which the hashes know nothing.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image, ImageOps

from data_collection.dataset import near_duplicates, thumbnails
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode, encode, errors, quality
from data_collection.sources import local_folder
from runtime import atomic_files, console, hashing, plotting
from validation.robustness.distortions import apply_jpeg, blur_square, crop_square, resize_square

STRIP_SIDE_PX = 160
MAX_STRIPS = 40

Effect = Callable[[Image.Image], Image.Image]
Pair = tuple[int, int]
"""Indices of two pictures, the smaller one first."""


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
        faces = local_folder.list_folder_candidates(folder, "real", folder.name)[:max_images]
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


def make_copies(
    pictures: Sequence[Picture], originals: Sequence[int]
) -> dict[str, list[FaceRecord]]:
    """Copy some pictures in each way of COPIES; return the copies' rows by its name.

    Args:
        originals: indices of the pictures to copy.
    """
    copies: dict[str, list[FaceRecord]] = {name: [] for name in COPIES}
    for index in console.track_progress(originals, "copies", len(originals)):
        record, square = pictures[index].record, read_square(pictures[index].path)
        for name, effect in COPIES.items():
            copies[name].append(make_record(record.id, "copies", record.file, effect(square)))
    return copies


@dataclass(frozen=True)
class Finds:
    """Shares of copies of one kind that are missed, and that are tied to another picture, too, that
    is no near-duplicate of the original."""

    missed: float
    misled: float


def look_for_copies(
    find: Callable[[Sequence[FaceRecord], Sequence[FaceRecord]], np.ndarray],
    copies: Sequence[FaceRecord],
    records: Sequence[FaceRecord],
    originals: Sequence[int],
    known_pairs: Collection[Pair],
) -> Finds:
    """Look for copies of one kind among all pictures.

    Args:
        find: returns pairs of an index of a copy and one of a picture.
        known_pairs: pairs of pictures that are taken for near-duplicates themselves.
    """
    found = [(originals[copy], other) for copy, other in find(copies, records).tolist()]
    others = {i for i, j in found if i != j and (min(i, j), max(i, j)) not in known_pairs}
    missed = set(originals) - {i for i, j in found if i == j}
    return Finds(len(missed) / len(originals), len(others) / len(originals))


def read_square(path: Path) -> Image.Image:
    return decode.decode_face(path.read_bytes()).square


def main(
    folders: Annotated[tuple[Path, ...], tyro.conf.Positional],
    copied: int = 25,
    max_images: int = 10_000,
    timed: tuple[int, ...] = (),
    out: Path | None = None,
    seed: int = 0,
) -> None:
    """Print misses by kind of copy, and the pairs found among different files.

    Args:
        folders: folders of pictures.
        copied: pictures of each folder that are copied in every way.
        max_images: at most so many pictures of each folder.
        timed: numbers of pictures to time both passes on.
        out: write a PNG of the pairs found among different files.
        seed: for the choice of the copied pictures.
    """
    pictures = read_pictures(folders, max_images)
    records = [picture.record for picture in pictures]
    hashed, both = find_pairs(records)
    originals = choose_originals(pictures, copied, seed)
    rows = []
    for name, copies in make_copies(pictures, originals).items():
        by_hash = look_for_copies(
            near_duplicates.find_close_hashes, copies, records, originals, hashed
        )
        by_both = look_for_copies(
            near_duplicates.find_near_duplicates_between, copies, records, originals, both
        )
        shares = (by_hash.missed, by_both.missed, by_hash.misled, by_both.misled)
        rows.append([name, *(f"{share:.3f}" for share in shares)])
        console.print_message(" | ".join(rows[-1]))
    console.print_table(
        f"Shares of {len(originals)} copies of each kind among {len(pictures)} pictures",
        [
            "copy",
            *("missed by hash", "missed by both passes"),
            *("misled by hash", "misled by both passes"),
        ],
        rows,
    )
    print_pairs_of_pictures(pictures, hashed, both, out)
    for count in timed:
        time_passes(records, count, seed)


def choose_originals(pictures: Sequence[Picture], copied: int, seed: int) -> list[int]:
    """Return indices of `copied` pictures of each source, all if there are fewer."""
    random = np.random.default_rng(seed)
    chosen: list[int] = []
    for source in dict.fromkeys(picture.record.source for picture in pictures):
        indices = [i for i, picture in enumerate(pictures) if picture.record.source == source]
        count = min(copied, len(indices))
        chosen += map(int, random.choice(indices, count, replace=False))
    return chosen


def find_pairs(records: Sequence[FaceRecord]) -> tuple[set[Pair], set[Pair]]:
    """Return the pairs of different files that the hashes join, and that both passes join."""
    pairs = near_duplicates.find_close_hashes(records, records).tolist()
    hashed = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    return hashed, set(map(tuple, near_duplicates.find_near_duplicate_pairs(records).tolist()))


def print_pairs_of_pictures(
    pictures: Sequence[Picture], hashed: set[Pair], both: set[Pair], out: Path | None
) -> None:
    """Print how many pairs of different files each pass finds, by source, and draw those that
    only registration finds first."""
    records = [picture.record for picture in pictures]
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


def time_passes(records: Sequence[FaceRecord], count: int, seed: int) -> None:
    """Print the processor time of both passes for so many pictures, each a blend of two of
    these."""
    random = np.random.default_rng(seed)
    thumbs = thumbnails.decode_thumbnails(records)
    blended = []
    for number in range(count):
        i, j = random.choice(len(records), 2, replace=False)
        share = random.uniform(0.3, 0.7)
        pixels = share * thumbs[i] + (1 - share) * thumbs[j]
        image = Image.fromarray(pixels.astype(np.uint8))
        blended.append(make_record(str(number), "blends", str(number), image))
    start = time.process_time()
    pairs = near_duplicates.find_near_duplicate_pairs(blended)
    seconds = time.process_time() - start
    console.print_message(
        f"Both passes take {seconds:.0f} s of processor time for {count:,} blends of two pictures "
        f"({len(pairs):,} pairs found)."
    )


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.studies.copies"))
