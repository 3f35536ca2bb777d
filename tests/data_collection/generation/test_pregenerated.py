"""A collection ingests faces that were generated before it."""

from dataclasses import replace

from accelerate import PartialState

from data_collection.dataset.manifest import FaceRecord
from data_collection.diffusion import pipeline_cache
from data_collection.generation import pregenerated
from data_collection.source_types import RequestedSource, SourceRequest
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import atomic_files
from runtime.hashing import hash_bytes
from toys.diffusion import GENERATION_MARKS, generate_faces, make_request

pytestmark = GENERATION_MARKS


def generate_shard(request: SourceRequest) -> int:
    return pregenerated.generate_shard(
        RequestedSource("generated", STABLE_DIFFUSION, request), PartialState(cpu=True)
    )


def test_only_ingested_images_are_removed(tmp_path):
    rows = []
    folder = tmp_path / "pregenerated"
    for name in ("model/1", "model/2", "toys/model/1"):
        atomic_files.write_atomically(folder / f"{name}.json", b"{}")
        atomic_files.write_atomically(folder / f"{name}.png", name.encode())
        rows.append(
            FaceRecord(
                id=hash_bytes(name.encode()),
                label="generated",
                source="model",
                file="1.png",
                status="accepted",
            )
        )
    pregenerated.remove_ingested(tmp_path, [rows[0], rows[2]])
    left = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))]
    assert left == [
        "pregenerated",
        "pregenerated/model",
        "pregenerated/model/2.json",
        "pregenerated/model/2.png",
    ]
    pregenerated.remove_ingested(tmp_path, rows)
    assert list(tmp_path.iterdir()) == []


def test_pregenerated_faces_are_used_and_not_generated_again(tmp_path, model):
    request = make_request(tmp_path, model)
    assert generate_shard(request) == 5
    pipeline_cache.PIPELINE_CACHE.clear()
    faces = generate_faces(request)
    assert not pipeline_cache.PIPELINE_CACHE  # nothing was left to generate
    assert [face.seed for face, _ in faces] == [7, 8, 9, 10, 11] and all(
        face.drawn_with["torch"] for face, _ in faces
    )
    assert generate_shard(request) == 0
    other = make_request(tmp_path, model, steps=3)
    assert generate_shard(replace(other, argument="1")) == 1  # generated with other settings
