"""Self-blends of photographs with the real face detector and drawn faces."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_collection import regenerate
from data_collection.collect import collect_sources
from data_collection.dataset import grouping, manifest
from data_collection.generation import self_blending
from data_collection.images import face_detector
from data_collection.ingest import ingest_images
from data_collection.settings import CollectionSettings
from data_collection.source_types import SourceRequest, UnavailableImage
from data_collection.sources.requested_sources import parse_requested_sources
from data_collection.sources.self_blend import SELF_BLEND
from runtime import console
from toys.face_detector import BACKGROUND_RGB, draw_photograph, draw_schematic_face
from toys.images import encode_image, make_image

SEEDS = range(12)


def measure_change(picture: Image.Image, blended: Image.Image) -> np.ndarray:
    return np.abs(np.asarray(blended, dtype=int) - np.asarray(picture, dtype=int)).max(axis=2)


def collect(settings: CollectionSettings) -> list[manifest.FaceRecord]:
    settings.folder.mkdir(parents=True, exist_ok=True)
    path = manifest.manifest_path(settings.folder)
    known = manifest.read_manifest(settings.folder) if path.exists() else []
    return collect_sources(parse_requested_sources(settings), known, settings)[0]


@pytest.fixture
def settings(tmp_path) -> CollectionSettings:
    """Four photographs: three with a face, the third without."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        picture = make_image(number, 320) if number == 2 else draw_photograph(number)
        (folder / f"{number}.jpg").write_bytes(encode_image(picture, "JPEG", quality=95))
    return CollectionSettings(
        data=tmp_path, real=(f"folder:{folder}",), generated=("self-blend:10",), seed=5
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_face_changes_and_the_background_does_not(seed):
    picture = draw_photograph(seed)
    changed = measure_change(picture, self_blending.blend_with_itself(picture, seed)) > 0
    rows, columns = np.mgrid[:320, :320]
    radius = np.hypot((columns - 160) / 90, (rows - 170) / 120)
    assert not changed[radius > 1.2].any()
    assert changed[radius < 0.4].mean() > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_the_pasted_face_has_no_edge(seed):
    """On a flat face only the recolouring is seen; it comes on slowly from the outline inwards."""
    picture = draw_photograph(seed)
    face = face_detector.find_only_face(picture)
    flat = Image.new("RGB", picture.size, (150, 120, 100))
    blended = self_blending.blend_face(flat, face, np.random.default_rng(seed))
    change = np.abs(np.asarray(blended, dtype=float) - np.asarray(flat, dtype=float))
    steps = np.abs(np.diff(change, axis=0)).max(), np.abs(np.diff(change, axis=1)).max()
    assert max(steps) <= max(1, 0.15 * change.max())


def test_the_same_photograph_and_seed_give_the_same_blend_and_others_another():
    picture = draw_photograph()
    first, again, other = (
        np.asarray(self_blending.blend_with_itself(picture, seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (make_image(0, 320), "not one face: no face found"),
        (
            draw_schematic_face(
                draw_schematic_face(make_image(0, 480), 120, 240, 80), 360, 240, 80
            ),
            "not one face: 2 faces found",
        ),
        (
            draw_schematic_face(Image.new("RGB", (480, 480), BACKGROUND_RGB), 240, 240, 22),
            "not one face: it is too small",
        ),
    ],
)
def test_a_photograph_without_exactly_one_face_is_not_blended(picture, reason):
    with pytest.raises(UnavailableImage, match=reason):
        self_blending.blend_with_itself(picture, 0)


def test_every_photograph_with_a_face_has_one_self_blend_in_its_group(settings, capsys):
    rows = collect(settings)
    photographs = {row.id: row for row in rows if row.label == "real"}
    blends = [row for row in rows if row.label == "generated"]
    assert "each photograph is used once, and there are 4" in capsys.readouterr().err
    assert [row.rejection_kind for row in blends if not row.accepted] == ["not one face"]
    accepted = [row for row in rows if row.accepted]
    groups = [{accepted[index].id for index in group} for group in grouping.group_records(accepted)]
    for row in blends:
        photograph = photographs[row.source_image]
        assert row.source == row.generator == "self-blend" and not row.prompt
        if row.accepted:
            assert {row.id, photograph.id} in groups
            assert (row.format, row.width, row.height) == ("PNG", 320, 320)
            assert {"numpy", "scipy", "pillow"} == row.drawn_with.keys()


def test_a_collection_blends_only_what_its_manifest_lacks(settings, monkeypatch):
    rows = collect(replace(settings, generated=("self-blend:2",)))
    assert len([row for row in rows if row.label == "generated"]) == 2
    made = []
    blend = self_blending.blend_with_itself
    monkeypatch.setattr(
        self_blending, "blend_with_itself", lambda *args: made.append(1) or blend(*args)
    )
    again = collect(settings)
    assert again[: len(rows)] == rows and len(made) == 2
    assert collect(settings) == again and len(made) == 2


def test_a_self_blend_is_regenerated_from_its_row(settings, tmp_path):
    blends = [row for row in collect(settings) if row.label == "generated" and row.accepted]
    regenerate.regenerate_image(settings.folder, blends[0].file, tmp_path / "again.png")
    again = np.asarray(Image.open(tmp_path / "again.png"))
    stored = (settings.folder / blends[0].original).read_bytes()
    assert np.array_equal(again, np.asarray(Image.open(io.BytesIO(stored))))


@pytest.mark.parametrize(("crop", "size"), [("centre", (320, 320)), ("face", (460, 320))])
def test_a_wide_photograph_stays_whole_only_where_its_face_is_cut_out(settings, crop, size):
    wide = draw_photograph(9, width=460, x=200)
    data = encode_image(wide, "JPEG", quality=95)
    for path in (settings.data / "photos").iterdir():
        path.write_bytes(data)
    photograph, *_, blend = [
        row for row in collect(replace(settings, crop=crop, min_side=64)) if row.accepted
    ]
    assert (blend.width, blend.height) == size
    whole = np.asarray(Image.open(io.BytesIO(data)))
    expected = whole if crop == "face" else whole[:, 70:390]
    stored = np.asarray(Image.open(settings.folder / blend.original))
    assert np.array_equal(stored[:, :20], expected[:, :20])
    assert not np.array_equal(stored, expected)


def test_a_soft_blend_is_not_taken_for_an_enlarged_picture(settings):
    """Photographs are refused for it: their softness is the work of whoever published them."""
    soft = draw_photograph(1).resize((100, 100)).resize((320, 320), Image.Resampling.BICUBIC)
    for path in (settings.data / "photos").iterdir():
        path.write_bytes(encode_image(soft))
    assert "upscaled" in {row.reason for row in collect(settings)}
    kept = collect(replace(settings, keep_upscaled=True, dataset="kept"))
    photograph = next(row for row in kept if row.accepted)
    request = SourceRequest(
        argument="1",
        source_name="self-blend",
        settings=replace(settings, dataset="kept"),
        photographs=[photograph],
    )
    (row,) = ingest_images(SELF_BLEND.list_candidates(request), [], settings)
    assert row.accepted


def test_a_count_that_is_none_is_refused_before_anything_starts(settings):
    request = SourceRequest(argument="x", source_name="self-blend", settings=settings)
    with pytest.raises(console.PlainError, match="self-blend:x asks for 'x' faces"):
        SELF_BLEND.check_request(request, [])
