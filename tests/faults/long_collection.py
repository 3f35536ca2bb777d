"""`python tests/faults/long_collection.py --images 20000 --kills 20`: a long drawing, killed at
random moments and carried on.

A second collection, which nobody disturbs, says what should have come of it.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from data_collection.dataset import manifest, stored_images
from data_collection.dataset.manifest import FaceRecord
from runtime import console
from toys.commands import COLLECT_WORDS, build_environment, run_command
from toys.diffusion import decode_pixels, save_pipeline
from toys.images import write_face_folders

PHOTOGRAPHS, PROMPTS = 30, 500


def collection(made: Path, images: int) -> list[str]:
    options = [
        "--keep-upscaled",
        "--real",
        f"folder:{made / 'faces' / 'real'}",
        "--prompts",
        "template",
    ]
    drawing = [
        "--prompt-count",
        PROMPTS,
        "--generated",
        f"stable-diffusion:{images}@{made / 'model'}",
        "--steps",
        1,
    ]
    return [*map(str, (*COLLECT_WORDS, *options, *drawing, "--generation-size", 64))]


def rows_of(place: Path) -> bytes:
    path = manifest.manifest_path(place / "data" / "faces")
    return path.read_bytes() if path.exists() else b""


def killed(words: list[str], place: Path, at: int, draw: random.Random) -> bool:
    """Starts the collection and kills it a moment after its manifest has so many rows; False if it
    ended before."""
    with open(place / "said.txt", "ab") as said:
        running = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=place,
            env=build_environment(),
            stdout=said,
            stderr=said,
        )
    while running.poll() is None and rows_of(place).count(b"\n") < at:
        time.sleep(0.05)
    time.sleep(draw.uniform(0, 0.3))
    running.kill()
    return running.wait() < 0


def survived(words: list[str], place: Path, moments: list[int], draw: random.Random) -> int:
    """Kills it at every moment; what has been written down never changes, and the last row alone
    may be torn."""
    kills, before = 0, b""
    for at in moments:
        kills += killed(words, place, at, draw)
        after = rows_of(place)
        assert after.startswith(before[: before.rfind(b"\n") + 1]), (
            "rows that were written down have changed"
        )
        before = after
        print(f"killed with {before.count(bytes([10]))} rows", flush=True)
    return kills


def finished(words: list[str], place: Path) -> list[FaceRecord]:
    with open(place / "said.txt", "ab") as said:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=place,
            env=build_environment(),
            stdout=said,
            stderr=said,
        )
    assert done.returncode == 0, (place / "said.txt").read_text()[-2000:]
    checked = run_command("data_collection", "verify", "data/faces", cwd=place)
    assert checked.returncode == 0, checked.stderr
    left = [
        path
        for path in (place / "data").rglob("*")
        if path.suffix == ".tmp" or path.name == "pregenerated"
    ]
    assert not left, left
    return manifest.read_manifest(place / "data" / "faces")


def compare(
    place: Path, rows: list[FaceRecord], other_place: Path, others: list[FaceRecord]
) -> int:
    """Every image is there once, told in the same words, and no pixel differs by more than a grey
    level.

    Returns how many are the same, bit for bit.
    """
    names = Counter(row.file for row in rows)
    assert names == Counter(row.file for row in others) and set(names.values()) == {1}
    there, same = {row.file: row for row in others}, 0
    for row in rows:
        other = there[row.file]
        if row.id == other.id:
            assert row == other, (row, other)
            same += 1
            continue
        told = replace(
            other,
            id=row.id,
            bytes=row.bytes,
            original=row.original,
            image=row.image,
            split=row.split,
        )
        assert row == replace(
            told, group=row.group, phash=row.phash, phash_mirrored=row.phash_mirrored
        ), (row, other)
        both = (place, row), (other_place, other)
        one, two = (
            decode_pixels(stored_images.read_original(at / "data" / "faces", face))
            for at, face in both
        )
        assert abs(one - two).max() <= 1, row.file
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        made, again, whole = (Path(folder) / name for name in ("made", "killed", "whole"))
        for place in (again, whole):
            place.mkdir()
        write_face_folders(made / "faces", PHOTOGRAPHS)
        save_pipeline(made / "model")
        words = collection(made, given.images)
        moments = sorted(
            draw.sample(range(PHOTOGRAPHS, PHOTOGRAPHS + given.images * 49 // 50), given.kills)
        )
        began = time.monotonic()
        kills = survived(words, again, moments, draw)
        rows = finished(words, again)
        seconds = time.monotonic() - began
        others = finished(words, whole)
        same = compare(again, rows, whole, others)
        outcome = [
            kills,
            len(rows),
            same,
            f"{seconds:.0f} s",
            f"{time.monotonic() - began - seconds:.0f} s",
        ]
    console.print_table(
        "Killed and carried on",
        ["kills", "rows", "same bytes", "time", "time without kills"],
        [outcome],
    )


if __name__ == "__main__":
    main()
