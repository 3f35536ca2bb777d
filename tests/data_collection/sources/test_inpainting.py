"""Parts of drawn faces generated anew by a tiny pipeline of random weights."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_collection import regenerate
from data_collection.collect import collect_sources
from data_collection.dataset import manifest
from data_collection.generation import reconstruction_generator
from data_collection.images import face_detector, face_region
from data_collection.settings import CollectionSettings
from data_collection.source_types import UnavailableImage
from data_collection.sources import inpainting
from data_collection.sources.inpainting import INPAINTING
from data_collection.sources.requested_sources import parse_requested_sources
from toys.diffusion import GENERATION_MARKS, decode_pixels
from toys.face_detector import draw_photograph
from toys.images import encode_image, make_image
from toys.redrawn import make_redrawn_request, redraw

pytestmark = GENERATION_MARKS


@pytest.fixture
def request_of_six(tmp_path, model):
    """Six photographs, the third without a face."""
    pictures = [
        make_image(2, 320) if number == 2 else draw_photograph(number) for number in range(6)
    ]
    return make_redrawn_request(tmp_path, model, pictures, steps=2, generation_size=128)


def read_square(request, face) -> Image.Image:
    record = next(row for row in request.photographs if row.id == face.source_image)
    data = (request.settings.folder / record.original).read_bytes()
    return reconstruction_generator.decode_square(data, face.drawn_with["size"])


@pytest.mark.parametrize(("part", "inside", "outside"), [("eyes", 0, 3), ("mouth", 3, 0)])
def test_a_mask_covers_its_part_and_not_the_others(part, inside, outside):
    face = face_detector.find_only_face(draw_photograph())
    mask = np.asarray(face_region.draw_part_mask(face, part, (320, 320)))
    whole = np.asarray(face_region.draw_part_mask(face, "face", (320, 320)))
    x, y = map(round, face.landmarks[inside])
    other_x, other_y = map(round, face.landmarks[outside])
    assert mask[y, x] > 100 and mask[other_y, other_x] == 0
    assert min(whole[y, x], whole[other_y, other_x]) > 100 and whole[:, 0].max() == 0
    assert np.abs(np.diff(mask.astype(int), axis=0)).max() < 64


def test_parts_are_drawn_alike_often_and_depend_on_photograph_and_seed():
    drawn = Counter(inpainting.choose_part(f"{number:064x}", 0) for number in range(900))
    assert sorted(drawn) == ["eyes", "face", "mouth"] and min(drawn.values()) > 250
    first, other = (
        [inpainting.choose_part(f"{number:064x}", seed) for number in range(50)] for seed in (0, 1)
    )
    assert first != other


def test_only_the_part_differs_from_the_photograph(request_of_six):
    results = redraw(INPAINTING, request_of_six)
    assert len(results) == 6
    for face, data in results:
        if isinstance(data, UnavailableImage):
            continue
        square = read_square(request_of_six, face)
        found = face_detector.find_only_face(square)
        mask = np.asarray(face_region.draw_part_mask(found, face.drawn_with["part"], square.size))
        change = np.abs(decode_pixels(data) - np.asarray(square, dtype=int)).max(axis=2)
        assert decode_pixels(data).shape == (128, 128, 3)
        assert not change[mask == 0].any() and change[mask == 255].mean() > 5
        assert face.drawn_with["device"] and not face.prompt


def test_a_photograph_without_a_face_is_skipped_with_a_reason(request_of_six):
    skipped = {
        face.source_image: str(data)
        for face, data in redraw(INPAINTING, request_of_six)
        if isinstance(data, Exception)
    }
    assert skipped == {request_of_six.photographs[2].id: "not one face: no face found"}
    with pytest.raises(UnavailableImage, match="no face found"):
        INPAINTING.list_candidates(request_of_six)[2].load()


def test_what_the_safety_checker_blacks_out_is_black_all_over(tmp_path, checked):
    """Laid over by the photograph it would pass for a face with a black part."""
    request = make_redrawn_request(tmp_path, checked, [draw_photograph()], steps=2)
    ((face, data),) = redraw(INPAINTING, request)
    assert not decode_pixels(data).any()
    assert face.retry().seed == face.seed + 1_000_000


def test_a_collection_inpaints_what_it_lacks_and_makes_one_again(tmp_path, model):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        picture = make_image(1, 320) if number == 1 else draw_photograph(number)
        (folder / f"{number}.jpg").write_bytes(encode_image(picture, "JPEG", quality=95))
    settings = make_redrawn_request(tmp_path / "other", model, [], steps=2).settings
    settings = replace(
        settings,
        data=tmp_path,
        real=(f"folder:{folder}",),
        generated=("inpainting:2",),
        min_side=32,
        image_size=64,
    )
    first = collect(settings)
    rows = collect(replace(settings, generated=("inpainting:3",)))
    assert rows[: len(first)] == first and len(rows) == len(first) + 1 == 6
    drawn = [row for row in rows if row.label == "generated"]
    assert [row.reason for row in drawn if not row.accepted] == ["not one face: no face found"]
    accepted = next(row for row in drawn if row.accepted)
    regenerate.regenerate_image(settings.folder, accepted.file, tmp_path / "again.png")
    stored = decode_pixels((settings.folder / accepted.original).read_bytes())
    assert np.abs(decode_pixels((tmp_path / "again.png").read_bytes()) - stored).max() <= 1


def collect(settings: CollectionSettings) -> list[manifest.FaceRecord]:
    settings.folder.mkdir(parents=True, exist_ok=True)
    path = manifest.manifest_path(settings.folder)
    known = manifest.read_manifest(settings.folder) if path.exists() else []
    return collect_sources(parse_requested_sources(settings), known, settings)[0]


def test_its_name_is_its_own():
    assert INPAINTING.make_name("9@a/b", CollectionSettings()) == "a/b-inpainting"
