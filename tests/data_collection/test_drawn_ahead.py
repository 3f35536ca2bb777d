"""Faces that were drawn before a collection are taken in by it."""

from dataclasses import replace

from accelerate import PartialState

from data_collection import diffusion_artist, drawn_ahead, manifest
from data_collection.face_images import content_id
from data_collection.found_faces import Asked, Request
from data_collection.manifest import FaceRecord
from data_collection.stable_diffusion import STABLE_DIFFUSION
from toy_diffusion import DRAWS, asked, drawn

pytestmark = DRAWS


def draw_share(request: Request) -> int:
    return drawn_ahead.draw_share(Asked("generated", STABLE_DIFFUSION, request), PartialState(cpu=True))


def test_only_what_was_taken_in_is_cleared_away(tmp_path):
    rows = []
    for place in ("model/1", "model/2", "toys/model/1"):
        manifest.write_whole(tmp_path / "drawn" / f"{place}.json", b"{}")
        manifest.write_whole(tmp_path / "drawn" / f"{place}.png", place.encode())
        rows.append(FaceRecord(content_id(place.encode()), "generated", "model", "1.png", "accepted"))
    drawn_ahead.clear(tmp_path, [rows[0], rows[2]])
    left = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))]
    assert left == ["drawn", "drawn/model", "drawn/model/2.json", "drawn/model/2.png"]
    drawn_ahead.clear(tmp_path, rows)
    assert list(tmp_path.iterdir()) == []


def test_what_was_drawn_beforehand_is_taken_in_and_not_drawn_again(tmp_path, model):
    request = asked(tmp_path, model)
    assert draw_share(request) == 5
    diffusion_artist._loaded.clear()
    made = drawn(request)
    assert not diffusion_artist._loaded  # nothing was left to draw
    assert [face.seed for face, _ in made] == [7, 8, 9, 10, 11] and all(face.drawn_with["torch"] for face, _ in made)
    assert draw_share(request) == 0
    other = asked(tmp_path, model, steps=3)
    assert draw_share(replace(other, argument="1")) == 1  # drawn with other settings
