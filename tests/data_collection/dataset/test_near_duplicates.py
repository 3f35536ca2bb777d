"""Copies are found, also if cropped, turned, framed or mirrored; different faces stay apart."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from benchmarks.studies import copies
from data_collection.dataset import copy_search, near_duplicates
from data_collection.dataset.manifest import FaceRecord
from toys.images import draw_face


def record(name: str, image: Image.Image) -> FaceRecord:
    return copies.make_record("0" * 64, "faces", name, image)


FACES = [record(str(seed), draw_face(seed)) for seed in range(30)]


@pytest.mark.parametrize("effect", copies.COPIES.values(), ids=copies.COPIES)
def test_a_copy_is_found_however_it_was_made(effect: Callable[[Image.Image], Image.Image]):
    made = [record(f"copy {seed}", effect(draw_face(seed))) for seed in (4, 17)]
    pairs = near_duplicates.find_near_duplicates_between(made, FACES)
    assert pairs.tolist() == [[0, 4], [1, 17]]
    among_all = near_duplicates.find_near_duplicate_pairs([*FACES, *made])
    assert {(4, 30), (17, 31)} <= set(map(tuple, among_all.tolist()))


def test_two_crops_of_one_picture_are_tied_without_the_original():
    left, right = (draw_face(4).crop((x, 0, x + 150, 150)) for x in (0, 10))
    pairs = near_duplicates.find_near_duplicate_pairs(
        [FACES[1], record("left", left), record("right", right)]
    )
    assert pairs.tolist() == [[1, 2]]


def test_different_faces_stay_apart():
    assert near_duplicates.find_registered_copies(FACES).tolist() == []


def test_pictures_without_content_are_copies_of_nothing():
    flat = [record(str(level), Image.new("RGB", (96, 96), (level,) * 3)) for level in (0, 90, 91)]
    slope = Image.linear_gradient("L").convert("RGB")
    slopes = [record("slope", slope), record("turned", slope.rotate(3))]
    assert near_duplicates.find_registered_copies([*flat, *slopes]).tolist() == []


def test_a_damaged_thumbnail_is_a_copy_of_nothing():
    good = FACES[0]
    damaged = [
        FaceRecord(**{**vars(good), "thumbnail": text})
        for text in (good.thumbnail[:40], "no base64 \u00e9", "AAAA", good.thumbnail[4:])
    ]
    assert near_duplicates.find_registered_copies([*FACES, *damaged]).tolist() == []


def test_every_pair_of_close_hashes_is_found():
    generator = np.random.default_rng(0)
    centres = generator.integers(2**63, size=20, dtype=np.uint64)
    flipped = [
        int(centre) ^ sum(1 << int(bit) for bit in generator.choice(64, bits, replace=False))
        for centre, bits in itertools.product(centres, (0, 3, 6, 7, 12))
    ]
    mirrored = [int(value) for value in generator.integers(2**63, size=100, dtype=np.uint64)]
    mirrored[7] = flipped[90] ^ 0b111111
    records = [
        FaceRecord(
            id="0" * 64,
            label="real",
            source="",
            file="",
            status="accepted",
            phash=f"{plain:016x}",
            phash_mirrored=f"{other:016x}",
        )
        for plain, other in zip(flipped, mirrored, strict=True)
    ]
    expected = {
        (i, j)
        for i, j in itertools.product(range(100), repeat=2)
        if min((flipped[i] ^ other).bit_count() for other in (flipped[j], mirrored[j])) <= 6
    }
    found = near_duplicates.find_close_hashes(records, records)
    assert set(map(tuple, found.tolist())) == expected and (90, 7) in expected


def test_copies_are_found_in_cells_of_neighbours(monkeypatch):
    faces = [draw_face(seed) for seed in range(60)]
    made = [ImageOps.mirror(copies.crop_sides(face, 0.05)) for face in faces[:20]]
    records = [record("face", image) for image in (*faces, *made)]
    exact = near_duplicates.find_registered_copies(records)
    monkeypatch.setattr(copy_search, "MAX_EXACT_IMAGES", 40)
    monkeypatch.setattr(copy_search, "CELL_IMAGES", 10)
    monkeypatch.setattr(copy_search, "CHUNK_IMAGES", 7)
    in_cells = near_duplicates.find_registered_copies(records)
    pairs = {(number, 60 + number) for number in range(20)}
    assert set(map(tuple, exact.tolist())) == pairs
    assert len(set(map(tuple, in_cells.tolist())) & pairs) >= 18


def test_nothing_has_no_copies():
    without = FaceRecord(id="0" * 64, label="real", source="", file="", status="rejected")
    assert near_duplicates.find_near_duplicate_pairs([without, without]).shape == (0, 2)
    assert near_duplicates.find_near_duplicates_between([], FACES[:3]).shape == (0, 2)
    assert near_duplicates.find_near_duplicates_between(FACES[:3], []).shape == (0, 2)
