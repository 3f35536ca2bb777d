"""`python tests/faults/long_collection.py --images 20000 --kills 20`: kill a long collection of
generated images at random moments and continue it.

A second, undisturbed collection gives the expected result.
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


def build_words(inputs: Path, n_images: int) -> list[str]:
    options = [
        "--keep-upscaled",
        "--real",
        f"folder:{inputs / 'faces' / 'real'}",
        "--prompts",
        "template",
    ]
    generation = [
        "--prompt-count",
        PROMPTS,
        "--generated",
        f"stable-diffusion:{n_images}@{inputs / 'model'}",
        "--steps",
        1,
    ]
    return [*map(str, (*COLLECT_WORDS, *options, *generation, "--generation-size", 64))]


def read_manifest_bytes(folder: Path) -> bytes:
    path = manifest.manifest_path(folder / "data" / "faces")
    return path.read_bytes() if path.exists() else b""


def run_and_kill(words: list[str], folder: Path, n_rows: int, generator: random.Random) -> bool:
    """Start the collection and kill it shortly after its manifest has so many rows; return False
    if it ended before."""
    with open(folder / "output.txt", "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=build_environment(),
            stdout=output,
            stderr=output,
        )
    while process.poll() is None and read_manifest_bytes(folder).count(b"\n") < n_rows:
        time.sleep(0.05)
    time.sleep(generator.uniform(0, 0.3))
    process.kill()
    return process.wait() < 0


def run_with_kills(
    words: list[str], folder: Path, row_counts: list[int], generator: random.Random
) -> int:
    """Kill the collection at every number of rows; written rows never change, and only the last
    one may be torn."""
    n_kills, before = 0, b""
    for n_rows in row_counts:
        n_kills += run_and_kill(words, folder, n_rows, generator)
        after = read_manifest_bytes(folder)
        assert after.startswith(before[: before.rfind(b"\n") + 1]), "written rows have changed"
        before = after
        print(f"killed with {before.count(bytes([10]))} rows", flush=True)
    return n_kills


def run_to_end(words: list[str], folder: Path) -> list[FaceRecord]:
    with open(folder / "output.txt", "ab") as output:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=build_environment(),
            stdout=output,
            stderr=output,
        )
    assert done.returncode == 0, (folder / "output.txt").read_text()[-2000:]
    verified = run_command("data_collection", "verify", "data/faces", cwd=folder)
    assert verified.returncode == 0, verified.stderr
    left_over = [
        path
        for path in (folder / "data").rglob("*")
        if path.suffix == ".tmp" or path.name == "pregenerated"
    ]
    assert not left_over, left_over
    return manifest.read_manifest(folder / "data" / "faces")


def count_identical_images(
    folder: Path, rows: list[FaceRecord], expected_folder: Path, expected_rows: list[FaceRecord]
) -> int:
    """Check that every image exists once, with the same facts, and that no pixel differs by more
    than a grey level; return how many images are the same, bit for bit."""
    names = Counter(row.file for row in rows)
    assert names == Counter(row.file for row in expected_rows) and set(names.values()) == {1}
    expected_by_name, n_identical = {row.file: row for row in expected_rows}, 0
    for row in rows:
        expected = expected_by_name[row.file]
        if row.id == expected.id:
            assert row == expected, (row, expected)
            n_identical += 1
            continue
        may_differ = (
            "id",
            "bytes",
            "original",
            "image",
            "split",
            "group",
            "phash",
            "phash_mirrored",
            "thumbnail",
        )
        changes = {name: getattr(row, name) for name in may_differ}
        assert row == replace(expected, **changes), (row, expected)
        pixels, expected_pixels = (
            decode_pixels(stored_images.read_original(parent / "data" / "faces", face))
            for parent, face in ((folder, row), (expected_folder, expected))
        )
        assert abs(pixels - expected_pixels).max() <= 1, row.file
    return n_identical


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        inputs, killed, undisturbed = (Path(name) / part for part in ("inputs", "killed", "whole"))
        for folder in (killed, undisturbed):
            folder.mkdir()
        write_face_folders(inputs / "faces", PHOTOGRAPHS)
        save_pipeline(inputs / "model")
        words = build_words(inputs, options.images)
        possible_counts = range(PHOTOGRAPHS, PHOTOGRAPHS + options.images * 49 // 50)
        row_counts = sorted(generator.sample(possible_counts, options.kills))
        start = time.monotonic()
        n_kills = run_with_kills(words, killed, row_counts, generator)
        rows = run_to_end(words, killed)
        seconds = time.monotonic() - start
        expected_rows = run_to_end(words, undisturbed)
        n_identical = count_identical_images(killed, rows, undisturbed, expected_rows)
        outcome = [
            n_kills,
            len(rows),
            n_identical,
            f"{seconds:.0f} s",
            f"{time.monotonic() - start - seconds:.0f} s",
        ]
    console.print_table(
        "Killed and carried on",
        ["kills", "rows", "same bytes", "time", "time without kills"],
        [outcome],
    )


if __name__ == "__main__":
    main()
