"""Faces that were drawn before a collection are taken in by it."""

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


def draw_share(request: SourceRequest) -> int:
    return pregenerated.generate_shard(
        RequestedSource("generated", STABLE_DIFFUSION, request), PartialState(cpu=True)
    )


def test_only_what_was_taken_in_is_cleared_away(tmp_path):
    rows = []
    for place in ("model/1", "model/2", "toys/model/1"):
        atomic_files.write_atomically(tmp_path / "drawn" / f"{place}.json", b"{}")
        atomic_files.write_atomically(tmp_path / "drawn" / f"{place}.png", place.encode())
        rows.append(
            FaceRecord(
                id=hash_bytes(place.encode()),
                label="generated",
                source="model",
                file="1.png",
                status="accepted",
            )
        )
    pregenerated.remove_ingested(tmp_path, [rows[0], rows[2]])
    left = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))]
    assert left == ["drawn", "drawn/model", "drawn/model/2.json", "drawn/model/2.png"]
    pregenerated.remove_ingested(tmp_path, rows)
    assert list(tmp_path.iterdir()) == []


def test_what_was_drawn_beforehand_is_taken_in_and_not_drawn_again(tmp_path, model):
    request = make_request(tmp_path, model)
    assert draw_share(request) == 5
    pipeline_cache.PIPELINE_CACHE.clear()
    made = generate_faces(request)
    assert not pipeline_cache.PIPELINE_CACHE  # nothing was left to draw
    assert [face.seed for face, _ in made] == [7, 8, 9, 10, 11] and all(
        face.drawn_with["torch"] for face, _ in made
    )
    assert draw_share(request) == 0
    other = make_request(tmp_path, model, steps=3)
    assert draw_share(replace(other, argument="1")) == 1  # drawn with other settings
