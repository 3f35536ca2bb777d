"""A collection with generated faces: killed at any moment, it loses and repeats none of them."""

import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from data_collection.collect import collect_sources
from data_collection.dataset import manifest
from data_collection.settings import CollectionSettings
from data_collection.source_types import (
    CandidateFace,
    RequestedSource,
    Source,
    SourceRequest,
    UnavailableImage,
)
from runtime.hashing import hash_bytes
from toys.commands import COLLECT_WORDS, build_environment, run_command
from toys.diffusion import save_pipeline
from toys.images import encode_image, make_image, write_face_folders

COUNT = 24


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    write_face_folders(folder / "faces", 30)
    save_pipeline(folder / "model")
    return folder


def build_words(inputs: Path, *more: object) -> list[object]:
    real = [
        "--real",
        f"folder:{inputs / 'faces' / 'real'}",
        "--prompts",
        "template",
        "--prompt-count",
        12,
    ]
    generated = [
        "--generated",
        f"stable-diffusion:{COUNT}@{inputs / 'model'}",
        "--steps",
        2,
        "--generation-size",
        64,
    ]
    return [*COLLECT_WORDS, "--keep-upscaled", *real, *generated, *more]


def read_generated_rows(folder: Path) -> list[manifest.FaceRecord]:
    path = folder / "data" / "faces"
    return (
        [r for r in manifest.read_manifest(path) if r.source == "model"]
        if manifest.manifest_path(path).exists()
        else []
    )


@pytest.mark.slow
def test_killed_while_it_generates_nothing_is_lost_or_repeated_and_one_can_be_regenerated(
    inputs, tmp_path
):
    seed = random.randrange(10**6)
    print("seed", seed)
    generator = random.Random(seed)
    for _ in range(2):
        before = len(read_generated_rows(tmp_path))
        started = subprocess.Popen(
            [sys.executable, "-m", *map(str, build_words(inputs))],
            cwd=tmp_path,
            env=build_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while started.poll() is None and len(read_generated_rows(tmp_path)) <= before:
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 0.2))
        started.send_signal(signal.SIGKILL)
        started.wait()
    rows = read_generated_rows(tmp_path)
    assert len(rows) > 0
    done = run_command(*build_words(inputs), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = read_generated_rows(tmp_path)
    assert [(r.file, r.id) for r in after[: len(rows)]] == [(r.file, r.id) for r in rows]
    assert Counter(r.file for r in after) == {f"{number:08}.png": 1 for number in range(COUNT)}
    assert len({r.prompt for r in after}) == 12 and all(
        r.attributes and r.drawn_with["steps"] == 2 for r in after
    )

    again = run_command("data_collection", "regenerate", "data/faces", after[7].file, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert int(re.search(r"differ by at most (\d+) grey levels", again.stderr)[1]) <= 1


@pytest.mark.slow
def test_two_processes_generate_one_share_each_and_the_collection_ingests_them(inputs, tmp_path):
    options = build_words(inputs)[1:]
    done = run_command(
        "torch.distributed.run",
        "--nproc-per-node",
        2,
        "-m",
        "data_collection",
        "pregenerate",
        *options,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"model: process [12] of 2 generated (\d+) faces", done.stderr) == [
        "12",
        "12",
    ]
    hashes = {
        path.name: hash_bytes(path.read_bytes())
        for path in tmp_path.rglob("pregenerated/model/*.png")
    }
    assert len(hashes) == COUNT

    done = run_command(*build_words(inputs), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {record.file: record.id for record in read_generated_rows(tmp_path)} == hashes
    assert not [*tmp_path.rglob("pregenerated")]


def make_source(loaded: list[str], black: frozenset[str]) -> Source:
    """Return a source that loads all images at once; those named in `black` are black."""

    def face(slot: int, attempt: int) -> CandidateFace:
        return CandidateFace(
            label="generated",
            source="toy",
            file=f"{slot}-{attempt}.png",
            load=lambda: b"",
            stable=True,
            seed=slot + 100 * attempt,
            load_many=load_many,
            retry=(lambda: face(slot, attempt + 1)) if attempt < 2 else None,
        )

    def load_many(
        faces: Sequence[CandidateFace],
    ) -> Iterator[tuple[CandidateFace, bytes | Exception]]:
        for candidate in faces:
            loaded.append(candidate.file)
            image = (
                Image.new("RGB", (96, 96))
                if candidate.file in black
                else make_image(candidate.seed)
            )
            yield (
                replace(candidate, drawn_with={"seed": candidate.seed}),
                UnavailableImage("refused") if candidate.seed == 3 else encode_image(image),
            )

    return Source(
        example="toy:COUNT",
        candidates=lambda request, prepared: [face(slot, 0) for slot in range(6)],
    )


def test_black_images_become_rejected_rows_and_are_generated_again_with_another_seed(tmp_path):
    settings = CollectionSettings(data=tmp_path, image_size=64, min_side=48, keep_upscaled=True)
    black = frozenset({"1-0.png", "4-0.png", "4-1.png", "5-0.png", "5-1.png", "5-2.png"})
    loaded: list[str] = []
    row = RequestedSource(
        "generated",
        make_source(loaded, black),
        SourceRequest(argument="6", source_name="toy", settings=settings),
    )
    records, _ = collect_sources([row], [], settings)
    accepted = {record.file for record in records if record.accepted}
    assert accepted == {"0-0.png", "1-1.png", "2-0.png", "4-2.png"}
    assert {r.file: r.reason for r in records if not r.accepted} == {
        **dict.fromkeys(black, "single colour"),
        "3-0.png": "refused",
    }
    assert all(record.drawn_with == {"seed": record.seed} for record in records)

    loaded.clear()
    again, _ = collect_sources([row], manifest.read_manifest(settings.folder), settings)
    assert (loaded, len(again)) == ([], len(records))
