"""Images are judged if the real face detector finds a face in what is judged, or if any picture is
asked for; test_several_faces.py has those with several."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from data_collection.images import decode
from detection import face_check
from detection.image_warnings import find_warnings
from detection.predictor import Detector
from toys.commands import run_command
from toys.face_detector import (
    BACKGROUND_RGB,
    draw_mark,
    draw_schematic_face,
    install_face_detector,
)
from toys.images import encode_image, make_image
from training.detectors import card as detector_card

HINT = "--any-picture gives one all the same"
TOO_FEW = "too few to judge: 32 are needed; take a larger copy of it"


def draw_faces(width: int, height: int, *faces: tuple[float, float, float]) -> Image.Image:
    """Draw faces (x, y, size), each about twice `size` high."""
    picture = Image.new("RGB", (width, height), BACKGROUND_RGB)
    for face in faces:
        picture = draw_schematic_face(picture, *face)
    return picture


def draw_tree() -> Image.Image:
    picture = Image.new("RGB", (400, 400), (170, 200, 240))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((180, 220, 220, 400), fill=(100, 70, 40))
    draw.ellipse((90, 40, 310, 270), fill=(50, 120, 40))
    return picture


def paste_beside(centre: Image.Image) -> Image.Image:
    """Draw a face to the left of a square picture."""
    picture = draw_faces(3 * centre.width, centre.height, (centre.width / 2, 150, 100))
    picture.paste(centre, (centre.width, 0))
    return picture


def turn_by_tag(picture: Image.Image) -> bytes:
    """Encode a picture on its side, with the tag that turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode_image(picture.rotate(90, expand=True), "JPEG", exif=exif)


ONE_FACE = (160, 160, 100)

JUDGED = {
    "one face": encode_image(draw_faces(320, 320, ONE_FACE)),
    "a smaller one behind": encode_image(draw_faces(640, 640, (220, 340, 150), (540, 80, 50))),
    "turned": turn_by_tag(draw_faces(300, 400, (150, 200, 100))),
    "25 megapixels": encode_image(
        draw_faces(499, 499, (250, 250, 150)).resize((4990, 4990)), "JPEG"
    ),
    "a fifth of the width": encode_image(draw_faces(500, 500, (250, 250, 50))),
}
REFUSED = {
    "tree": (encode_image(draw_tree()), "no face was found, so"),
    "noise": (encode_image(make_image(1, 320)), "no face was found, so"),
    "beside the centre": (
        encode_image(paste_beside(draw_tree().resize((300, 300)))),
        "no face was found in its centre square",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a tree and a face."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "face.png").write_bytes(JUDGED["one face"])
    (folder / "tree.png").write_bytes(REFUSED["tree"][0])
    return folder


def load(workplace: Path, any_picture: bool = False, crop: str = "centre") -> Detector:
    model = workplace / "saved_models" / "toy"
    return Detector(model, replace(detector_card.read_card(model), crop=crop), any_picture)


@pytest.mark.parametrize("name", JUDGED)
def test_an_image_of_one_face_is_judged(workplace, name):
    image = load(workplace).decode_image(JUDGED[name], Path(name))
    assert (image.detection.error, len(image.detection.faces)) == ("", 1) and image.pixels.size


# a detector of face crops finds the face beside the centre
@pytest.mark.parametrize(
    ("name", "crop"),
    [(name, "centre") for name in REFUSED] + [(name, "face") for name in list(REFUSED)[:-1]],
)
def test_an_image_without_a_face_is_judged_only_if_any_picture_is_asked_for(
    workplace, tmp_path, name, crop
):
    data, reason = REFUSED[name]
    (tmp_path / "a.png").write_bytes(data)
    refused = load(workplace, crop=crop).predict(tmp_path / "a.png")
    assert (refused.verdict, refused.probability, refused.faces) == ("", None, ())
    assert refused.error.startswith(reason)
    judged = load(workplace, any_picture=True, crop=crop).predict(tmp_path / "a.png")
    assert judged.verdict and (judged.error, judged.faces) == ("", ())
    centre = load(workplace, any_picture=True).predict(tmp_path / "a.png")
    assert judged.probability == pytest.approx(centre.probability, abs=1e-6)


@pytest.mark.parametrize(
    ("crop", "reason"),
    [
        ("face", "no face was found, so it was not judged"),
        ("centre", "no face was found in its centre square, so it was not judged"),
    ],
)
def test_a_refusal_says_where_a_face_was_looked_for(workplace, crop, reason):
    wide = encode_image(draw_tree().resize((640, 400)))
    assert load(workplace, crop=crop).decode_image(wide, Path("a")).detection.error == reason


@pytest.mark.parametrize(
    ("crop", "reason"),
    [
        ("face", f"its face has 18 pixels a side, {TOO_FEW}"),
        ("centre", f"its centre square has 30 pixels a side, {TOO_FEW}"),
    ],
)
def test_a_face_of_some_twenty_pixels_is_not_judged_and_the_reason_names_it(
    workplace, crop, reason
):
    tiny = encode_image(draw_faces(320, 320, ONE_FACE).resize((30, 30)))
    assert load(workplace, crop=crop).decode_image(tiny, Path("a")).detection.error == reason


@pytest.mark.parametrize(("crop", "subject"), [("face", "Its face"), ("centre", "It")])
def test_a_warning_of_few_pixels_names_what_has_them(workplace, crop, subject):
    small = encode_image(draw_faces(320, 320, ONE_FACE).resize((60, 60)))
    (warning,) = load(workplace, crop=crop).decode_image(small, Path("a")).detection.warnings
    assert warning.startswith(f"{subject} has fewer pixels than the detector's input: ")


@pytest.mark.parametrize(
    ("too_many", "words"),
    [(1, "1 of the 17 faces found in it was passed"), (2, "2 of the 18 faces found in it were")],
)
def test_passed_over_faces_are_counted_among_those_that_were_found(workplace, too_many, words):
    whole = decode.decode_whole(JUDGED["one face"])
    found = face_check.FoundSquares(
        squares=(face_check.Square(0, 0, 99, 99),) * 16,
        face_count=16 + too_many,
        too_many=too_many,
    )
    card = replace(load(workplace).card, crop="face")
    assert find_warnings(whole, found, card)[0].startswith(words)


@pytest.mark.parametrize(
    ("marks", "count"),
    [
        ([(120, 0.9)], 1),
        ([(120, 0.68)], 1),
        ([(120, 0.9), (80, 0.9)], 2),
        ([(120, 0.9), (80, 0.68)], 1),
        ([(120, 0.68), (80, 0.9)], 1),
        ([(120, 0.9), (40, 0.9)], 1),
        ([(25, 0.9)], 0),
        ([(25, 0.9), (25, 0.9)], 0),
    ],
    ids=str,
)
def test_faces_count_by_size_and_certainty(monkeypatch, tmp_path, marks, count):
    """The toy finds marks of (side, score) in 320 pixels, as if they were faces."""
    install_face_detector(monkeypatch, tmp_path)
    picture = Image.new("RGB", (320, 320), (0, 0, 255))
    for number, (side, score) in enumerate(marks):
        draw_mark(picture, 10 + 18 * number, 20, side, score)
    assert face_check.count_faces(picture) == count


def test_a_folder_is_answered_as_single_files_are(workplace, folder):
    paths = sorted(folder.iterdir()) * 20
    detections = list(load(workplace).predict_all(paths))
    assert [len(detection.faces) for detection in detections] == [1, 0] * 20
    assert [bool(detection.verdict) for detection in detections] == [True, False] * 20


def test_json_csv_and_the_table_say_which_image_shows_no_face(workplace, folder):
    def detect(*words: str):
        return run_command("detection", folder, *words, cwd=workplace)

    answers = json.loads(detect("--json").stdout)
    assert [len(answer["faces"]) for answer in answers] == [1, 0]
    assert answers[0]["faces"][0]["box"] == {"left": 0, "top": 0, "width": 320, "height": 320}
    assert "verdict" in answers[0]
    assert answers[1]["error"] == "no face was found, so it was not judged"
    rows = list(csv.DictReader(io.StringIO(detect("--csv").stdout)))
    assert [row["faces"] for row in rows] == ["1", "0"]
    assert [bool(row["verdict"]) for row in rows] == [True, False]
    table = detect()
    assert table.returncode == 1 and "no face was found" in table.stdout
    assert "In 1 image no face was found" in table.stderr and HINT in table.stderr
    assert "If one shows a small face, crop the picture to it" in " ".join(table.stderr.split())


def test_any_picture_on_the_command_line_judges_all_and_gives_the_number_of_faces(
    workplace, folder
):
    done = run_command("detection", folder, "--any-picture", "--json", cwd=workplace)
    answers = json.loads(done.stdout)
    assert done.returncode == 0 and HINT not in done.stderr
    assert [len(answer["faces"]) for answer in answers] == [1, 0]
    assert all("verdict" in answer for answer in answers)


def test_answers_kept_for_any_picture_are_not_given_where_faces_are_asked_for(
    workplace, folder, tmp_path
):
    words = ("detection", folder, "--keep", tmp_path / "keep")
    assert run_command(*words, "--any-picture", cwd=workplace).returncode == 0
    refused = run_command(*words, cwd=workplace)
    assert refused.returncode == 2 and "another choice of --any-picture" in refused.stderr
