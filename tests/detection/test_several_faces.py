"""Each of several faces in a picture is found, cut out and judged; drawn faces, real detectors."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_collection.images import canonical, decode
from detection.decision import DecisionRule
from detection.detections import (
    Box,
    Detection,
    FaceDetection,
    JudgedSquare,
    PreparedImage,
    ProbabilityRange,
)
from detection.face_check import MAX_JUDGED_FACES, MIN_SQUARE_SIDE_PX
from detection.heat_map_files import MARGIN_PX, PANEL_SIDE_PX
from detection.predictor import Detector
from detection.prepare import prepare
from toys.commands import run_command
from toys.face_detector import BACKGROUND_RGB, draw_schematic_face
from toys.images import encode_image
from training.detectors import card as detector_card
from training.detectors import ready_detectors

READY = ready_detectors.find_ready_detectors()[0]


def draw(width: int, height: int, *faces: tuple[float, float, float]) -> Image.Image:
    """Draw faces (x, y, size), each about twice `size` high, on grainy paper."""
    picture = Image.new("RGB", (width, height), BACKGROUND_RGB)
    for face in faces:
        picture = draw_schematic_face(picture, *face)
    grain = np.random.default_rng(0).normal(0, 4, (height, width, 1))
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))


THREE = [(150, 220, 100), (430, 200, 80), (680, 240, 90)]
GROUP = draw(820, 420, *THREE)
SINGLE = draw(400, 500, (200, 240, 110))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load(READY)


def load(crop: str) -> Detector:
    return Detector(READY, replace(detector_card.read_card(READY), crop=crop))


def read(detector: Detector, picture: Image.Image, *kind: str) -> PreparedImage:
    return detector.decode_image(encode_image(picture, *kind), Path("a.png"))


def judge(detector: Detector, picture: Image.Image) -> Detection:
    return detector.detect_batch([read(detector, picture)])[0]


def test_every_face_is_judged_in_its_own_square(detector):
    detection = judge(detector, GROUP)
    assert detection.error == "" and len(detection.faces) == 3
    sides = [face.box.width for face in detection.faces]
    assert sides == sorted(sides, reverse=True)
    for x, y, size in THREE:
        (face,) = [f for f in detection.faces if f.box.left < x < f.box.left + f.box.width]
        assert face.box.width == face.box.height and face.box.width > size
        assert face.box.top < y < face.box.top + face.box.height
        assert face.verdict and face.low <= face.probability <= face.high


def test_the_squares_are_prepared_as_in_training_from_the_original_pixels(detector):
    image = read(detector, GROUP)
    for index, face in enumerate(image.detection.faces):
        box = face.box
        square = GROUP.crop((box.left, box.top, box.left + box.width, box.top + box.height))
        expected = canonical.compute_judgement_pixels(
            replace(image.face, square=square), detector.card.image_size, detector.card.qualities
        )
        assert np.array_equal(image.select_pixels(index), expected)
        assert np.array_equal(image.cut_out_square(index).square, square)


@pytest.mark.parametrize("crop", ["face", "centre"])
@pytest.mark.parametrize(
    "picture", [SINGLE, SINGLE.resize((40, 50)).resize((400, 500))], ids=["sharp", "blurred"]
)
def test_a_picture_of_one_face_has_the_very_pixels_of_training(crop, picture):
    """The square of the only face, or the centre, whatever else is looked for."""
    image = read(load(crop), picture)
    whole = decode.decode_face(encode_image(picture), crop)
    expected = canonical.compute_judgement_pixels(
        whole, image_size := load(crop).card.image_size, load(crop).card.qualities
    )
    assert image.pixels.shape == (2, image_size, image_size, 3) and image.squares == ()
    assert np.array_equal(image.pixels, expected)
    assert len(image.detection.faces) == 1


def test_the_picture_is_decoded_once_for_all_faces(detector):
    calls = []

    def decode_whole(data: bytes):
        calls.append(data)
        return decode.decode_whole(data)

    data = encode_image(GROUP)
    image = detector.decode_image(data, Path("a.png"), decode_whole=decode_whole)
    assert calls == [data] and len(image.squares) == 3


def test_boxes_are_those_of_the_upright_picture_at_its_full_size(detector):
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = encode_image(GROUP.rotate(90, expand=True), "PNG", exif=exif)
    turned = detector.decode_image(lying, Path("a.png")).detection
    assert turned.faces == read(detector, GROUP).detection.faces
    large = GROUP.resize((8200, 4200))  # a JPEG so large is decoded at a part of its size
    faces = read(detector, large, "JPEG").detection.faces
    for face, small in zip(faces, turned.faces, strict=True):
        assert face.box.left == pytest.approx(10 * small.box.left, abs=120)
        assert face.box.width == pytest.approx(10 * small.box.width, rel=0.15)


# The picture's answer

CERTAIN = {
    "real": ProbabilityRange(0.001, 0.001, 0.001),
    "can't tell": ProbabilityRange(0.5, 0.5, 0.5),
    "generated": ProbabilityRange(0.98, 0.98, 0.98),
    "disagreeing": ProbabilityRange(0.99, 0.3, 0.999),
}


def decide(*names: str, passed_over: int = 0, side: int = 90, **options) -> Detection:
    rule = Detector.load(READY, **options).rule
    boxes = [Box(side * number, 0, side, side) for number in range(len(names))]
    faces = tuple(FaceDetection(box=box) for box in boxes)
    detection = Detection(path=Path("a.png"), faces=faces, passed_over=passed_over)
    return rule.decide(detection, [JudgedSquare(CERTAIN[name]) for name in names])


@pytest.mark.parametrize(
    ("names", "verdict", "index"),
    [
        (("real", "real"), "real", 0),
        (("real", "can't tell"), "can't tell", 1),
        (("real", "generated", "can't tell"), "generated", 1),
        (("disagreeing", "generated"), "generated", 1),
    ],
)
def test_the_answer_is_that_of_the_most_suspicious_face(names, verdict, index):
    detection = decide(*names)
    assert (detection.verdict, detection.most_suspicious) == (verdict, index)
    assert detection.probability == CERTAIN[names[index]].value
    expected = [name if name in ("real", "generated") else "can't tell" for name in names]
    assert [face.verdict for face in detection.faces] == expected


def test_a_picture_with_a_face_that_was_passed_over_is_not_called_real():
    assert decide("real", "real", passed_over=1).verdict == "can't tell"
    assert decide("real", passed_over=1).verdict == "can't tell"
    assert decide("real", "generated", passed_over=1).verdict == "generated"


def test_a_face_of_far_fewer_pixels_than_the_input_is_not_called_real():
    assert detector_card.read_card(READY).image_size == 128
    small = decide("real", "generated", "real", side=63)
    assert [face.verdict for face in small.faces] == ["can't tell", "generated", "can't tell"]
    assert decide("real", "real", side=64).verdict == "real"
    assert decide("real", side=63).verdict == "real"  # the only face: as ever, with a warning


def test_more_faces_need_a_stricter_cut_and_beyond_the_groups_there_is_none():
    cuts = [decide(*["real"] * n).statement for n in (2, 6, 11)]
    single = Detector.load(READY).statement
    assert single.generated_above < cuts[0].generated_above < cuts[1].generated_above
    assert cuts[2].generated_above is None
    crowd = decide("generated", *["real"] * 10)
    assert (crowd.verdict, crowd.probability) == ("can't tell", 0.98)
    assert "never answers generated" in crowd.statement.promise[0]
    assert decide("generated").statement is None


def test_a_stricter_target_of_the_user_is_kept_for_pictures_of_faces():
    assert decide("generated", "real", false_alarms=0.005).verdict == "can't tell"


# What cannot all be judged


def draw_crowd(columns: int, rows: int, size: float) -> Image.Image:
    step = round(3 * size)
    faces = [
        ((column + 0.5) * step, (row + 0.5) * step, size)
        for row in range(rows)
        for column in range(columns)
    ]
    return draw(columns * step, rows * step, *faces)


def test_of_sixty_faces_the_largest_are_judged_and_the_rest_is_told(detector):
    detection = judge(detector, draw_crowd(10, 6, 40))
    assert len(detection.faces) == MAX_JUDGED_FACES
    assert detection.passed_over > 30 and detection.verdict != "real"
    warning = " ".join(detection.warnings)
    assert f"more than {MAX_JUDGED_FACES} are not judged" in warning
    assert "Crop it to those that were not judged." in warning


def test_faces_of_a_few_pixels_are_told_not_judged(detector):
    detection = judge(detector, draw(320, 200, (80, 100, 50), (200, 100, 45), (290, 50, 13)))
    assert len(detection.faces) == 2 and detection.passed_over == 1
    warning = " ".join(detection.warnings)
    assert f"under {MIN_SQUARE_SIDE_PX} pixels a side" in warning
    assert "Judge a larger copy of it" in warning and "Crop" not in warning
    assert detection.verdict != "real"
    only_tiny = judge(detector, draw(160, 100, (50, 50, 12), (110, 50, 12)))
    assert only_tiny.verdict == "" and "take a larger copy" in only_tiny.error


def test_a_box_that_leaves_the_picture_is_moved_into_it(detector):
    picture = GROUP.crop((85, 90, 745, 330))
    detection = judge(detector, picture)
    assert len(detection.faces) == 3
    for face in detection.faces:
        assert face.box.left >= 0 and face.box.left + face.box.width <= picture.width
        assert face.box.top >= 0 and face.box.top + face.box.height <= picture.height


def test_the_same_face_twice_is_two_faces_judged_alike(detector):
    face = draw(320, 320, (160, 170, 100))
    picture = Image.new("RGB", (640, 320))
    for left in (0, 320):
        picture.paste(face, (left, 0))
    one, other = judge(detector, picture).faces
    assert abs(one.box.left - other.box.left) > 300
    assert one.probability == pytest.approx(other.probability, abs=0.2)


def test_a_smaller_face_behind_one_face_leaves_its_answer(detector):
    detection = judge(detector, draw(640, 640, (220, 340, 150), (540, 80, 50)))
    assert len(detection.faces) == 1 and detection.statement is None


def test_a_detector_of_centre_squares_says_that_it_does_not_know_faces_cut_out():
    detection = judge(load("centre"), GROUP)
    assert len(detection.faces) == 3 and detection.verdict
    assert "squares around single faces are not what it knows" in " ".join(detection.warnings)


def test_the_pixels_of_one_of_several_faces_are_not_guessed(tmp_path):
    GROUP.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="3 of its faces are judged; crop it to one"):
        prepare(tmp_path / "a.png", READY)


# Formats


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a picture of three faces and one of one."""
    folder = tmp_path_factory.mktemp("pictures")
    GROUP.save(folder / "group.png")
    SINGLE.save(folder / "single.png")
    return folder


def run(folder: Path, *words: object):
    return run_command("detection", *words, "--model", "telltale-faces", cwd=folder)


def test_json_and_csv_have_every_face_and_the_cuts_that_decided(folder):
    group, single = json.loads(run(folder, folder, "--json").stdout)
    assert [len(answer["faces"]) for answer in (group, single)] == [3, 1]
    for face in group["faces"] + single["faces"]:
        assert list(face) == ["box", "verdict", "probability", "low", "high"]
        assert list(face["box"]) == ["left", "top", "width", "height"]
    assert group["probability"] == max(face["probability"] for face in group["faces"])
    assert group["generated_above"] > single["generated_above"]
    assert "Of pictures of 3 faces" in group["promise"][0]
    rows = list(csv.DictReader(io.StringIO(run(folder, folder, "--csv").stdout)))
    assert [row["faces"] for row in rows] == ["3", "1"]
    assert len(rows[0]["boxes"].split("; ")) == 3 and rows[0]["promise"] != rows[1]["promise"]


def test_the_table_has_an_indented_line_for_each_of_several_faces(folder):
    done = run(folder, folder)
    lines = [line for line in done.stdout.splitlines() if "face " in line]
    assert [line.split("face ")[1][0] for line in lines] == ["1", "2", "3"]
    assert all(line.startswith("   ") and " x " in line for line in lines)
    assert "In a picture of 2 to 5 faces it answers for each of them" in done.stderr


def test_the_heat_map_is_that_of_the_most_suspicious_face(detector, tmp_path):
    GROUP.save(tmp_path / "group.png")
    done = run(tmp_path, "group.png", "--explain")
    sheet = Image.open(tmp_path / "group.png.heatmap.png")
    assert done.returncode == 0, done.stderr
    detection = judge(detector, GROUP)
    box = detection.faces[detection.most_suspicious].box
    square = GROUP.crop((box.left, box.top, box.left + box.width, box.top + box.height))
    shown = square.resize((PANEL_SIDE_PX, PANEL_SIDE_PX), Image.Resampling.LANCZOS)
    start, stop = MARGIN_PX, MARGIN_PX + PANEL_SIDE_PX
    assert np.array_equal(sheet.crop((start, start, stop, stop)), shown)


def test_kept_answers_of_several_faces_are_the_same_again(folder, tmp_path):
    keep = tmp_path / "keep.jsonl"
    first = run(folder, "group.png", "--json", "--keep", keep)
    assert json.loads(keep.read_text().splitlines()[1])["boxes"]
    again = run(folder, folder, "--json", "--keep", keep)
    group, single = json.loads(again.stdout)
    assert json.loads(first.stdout) == [group | {"path": "group.png"}]
    assert len(single["faces"]) == 1
    third = run(folder, folder, "--json", "--keep", keep, "--false-alarms", "0.01")
    assert json.loads(third.stdout)[0]["generated_above"] is None or (
        json.loads(third.stdout)[0]["generated_above"] >= group["generated_above"]
    )


def test_a_rule_decides_for_any_number_of_faces_with_one_calibration():
    card = detector_card.read_card(READY)
    rule = DecisionRule(card, card.calibration, card.calibration.point)
    assert rule.find_point(1) == card.calibration.point
    assert rule.find_statement(1) == card.make_statement()
