"""The detection command and the Detector: one answer per file, in order, the same as in Keras."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_collection.dataset import manifest
from data_collection.sources import local_folder
from detection import image_paths
from detection.detections import Detection
from detection.heat_map_files import MARGIN_PX, PANEL_SIDE_PX, SIMILAR_SIDE_PX
from detection.image_paths import ImageListing
from detection.output.progress import MAX_TABLE_ROWS
from detection.output.table import print_table
from detection.predictor import Detector
from detection.web.answers import PageAnswers
from runtime import console
from toys.commands import build_environment, run_command
from toys.heif_files import make_gradient, write_heic
from toys.images import encode_image, make_image
from training.calibration import combine_qualities
from training.features import pixels as feature_pixels
from validation.data import image_folder


@pytest.fixture
def detector(workplace) -> Detector:
    return Detector.load(workplace / "saved_models" / "toy", any_picture=True)


@pytest.mark.parametrize("total", [1, MAX_TABLE_ROWS + 1])
def test_a_name_of_several_lines_stays_on_its_own(capsys, total, detector):
    detection = Detection(
        path=Path("a\nreal        0.010  b.jpg"), verdict="generated", probability=0.9
    )
    list(print_table([detection], ImageListing(total), detector.statement))
    assert not [
        line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["real"]
    ]


def detect(workplace, *words: object) -> tuple[int, list[dict]]:
    """Judge toy images, which show no face."""
    process = run_command("detection", "--any-picture", "--json", *words, cwd=workplace)
    assert "Traceback" not in process.stderr
    return process.returncode, json.loads(process.stdout)


def test_json_has_one_element_per_file_in_order(workplace, tmp_path):
    names = ['it\'s "one" 🙂.png', "two.jpg"]
    (tmp_path / names[0]).write_bytes(encode_image(make_image(900, generated=True)))
    (tmp_path / names[1]).write_bytes(encode_image(make_image(901), "JPEG"))
    (tmp_path / "broken.png").write_bytes(b"no")
    paths = [str(tmp_path / name) for name in (*names, "broken.png", "missing.jpg")]
    code, answers = detect(workplace, *paths)
    assert (code, [answer["path"] for answer in answers]) == (1, paths)
    assert all(
        answer["verdict"] in ("generated", "real", "can't tell") and 0 <= answer["probability"] <= 1
        for answer in answers[:2]
    )
    assert answers[0]["probability"] > answers[1]["probability"]
    assert [set(answer) for answer in answers[2:]] == [
        {"path", "error", "sha256"},
        {"path", "error"},
    ]
    assert answers[0]["sha256"] == hashlib.sha256((tmp_path / names[0]).read_bytes()).hexdigest()
    assert answers[3]["error"] == "no such file"
    assert detect(workplace, *paths[:2])[0] == 0


IMAGE_NAMES = (
    *("2a9f13bc77", "a.png", "old.gif", "photo.jpg?w=640", "x.jpg_large", "y.jpg.1"),
    "deep/b.JPG",
)


@pytest.fixture
def motley_folder(tmp_path) -> Path:
    """Create a folder of IMAGE_NAMES, a text, a link to a file and one to a folder; and of files
    that are nobody's images: hidden ones and a heat map."""
    folder = tmp_path / "motley"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate((*IMAGE_NAMES, ".hidden.png", "a.png.heatmap.png")):
        (folder / name).write_bytes(encode_image(make_image(902 + number)))
    (folder / "notes.txt").write_text("of the holidays")
    (folder / "link.png").symlink_to(folder / "a.png")
    (folder / "linked").symlink_to(tmp_path)
    return folder


def test_every_file_of_a_folder_is_judged_or_named_whatever_it_is_called(workplace, motley_folder):
    process = run_command("detection", "--any-picture", "--json", motley_folder, cwd=workplace)
    answers = {
        str(Path(answer["path"]).relative_to(motley_folder)): answer.get("error", "")
        for answer in json.loads(process.stdout)
    }
    assert process.returncode == 1
    assert {name for name, error in answers.items() if not error} == set(IMAGE_NAMES)
    assert answers.keys() - set(IMAGE_NAMES) == {"notes.txt", "link.png", "linked"}
    assert answers["link.png"] == answers["linked"] == "symbolic link, not followed"
    assert answers["notes.txt"].startswith("not an image of a known format")
    told = " ".join(process.stderr.split())
    assert f"3 of {len(answers)} files were not judged." in told and "notes.txt" in told
    (row,) = [row for row in rows(run_csv(workplace, motley_folder)) if "linked" in row["path"]]
    assert row["error"] == "symbolic link, not followed"
    assert detect(workplace, motley_folder / "link.png")[0] == 0  # somebody named it


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_avif_and_heic_get_about_the_verdict_of_a_png(detector, tmp_path, kind):
    if kind == "HEIC":
        pytest.importorskip("pi_heif")
    data = write_heic() if kind == "HEIC" else encode_image(make_gradient(), "AVIF", quality=95)
    (tmp_path / "photo").write_bytes(data)
    (tmp_path / "photo.png").write_bytes(encode_image(make_gradient()))
    judged, expected = map(detector.predict, (tmp_path / "photo", tmp_path / "photo.png"))
    assert judged.error == expected.error == ""
    assert judged.probability == pytest.approx(expected.probability, abs=0.1)


def run_csv(workplace, folder) -> str:
    return run_command("detection", "--any-picture", "--csv", folder, cwd=workplace).stdout


def test_a_folder_of_links_is_not_called_empty(workplace, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "a.png").write_bytes(encode_image(make_image(1)))
    (tmp_path / "links" / "a.png").symlink_to(tmp_path / "a.png")
    code, (answer,) = detect(workplace, tmp_path / "links")
    assert (code, answer["error"]) == (1, "symbolic link, not followed")


def test_collection_validation_and_detection_count_a_folder_alike(motley_folder):
    located = {image.path for image in image_paths.find_images([str(motley_folder)])}
    candidates = local_folder.list_folder_candidates(motley_folder, "real", "motley")
    assert {motley_folder / face.file for face in candidates} == located
    records, rejected = image_folder.read_image_folder(motley_folder, "real", "centre")
    names = {record.file for record in records} | {name for name, _ in rejected}
    assert {motley_folder / name for name in names} == located


def test_files_that_the_command_itself_writes_are_not_judged(workplace, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(make_image(1)))
    line = f'exec "{sys.executable}" -m detection "$0" --model toy --any-picture --csv > "$0/a.csv"'
    done = subprocess.run(
        ["bash", "-c", line, tmp_path], cwd=workplace, env=build_environment(), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert len(rows((tmp_path / "a.csv").read_text())) == 1


def test_an_archive_is_called_one_with_a_way_to_unpack_it(workplace, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.png", encode_image(make_image(1)))
    code, (answer,) = detect(workplace, tmp_path / "photos.zip")
    assert code == 1 and "python -m zipfile -e" in answer["error"]
    for words in (
        ("validation", "--model", "toy", "--label", "real", "--data"),
        ("detection", "calibrate", "--model", "toy", "--real"),
    ):
        process = run_command(*words, tmp_path / "photos.zip", cwd=workplace)
        assert process.returncode == 2, process.stderr
        assert "is a ZIP archive, not an image; unpack it" in " ".join(process.stderr.split())


def test_the_table_names_verdict_probability_and_limits(workplace, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(make_image(903)))
    process = run_command("detection", "--any-picture", tmp_path / "a.png", cwd=workplace)
    assert process.returncode == 0
    assert "a.png" in process.stdout and "probability of generated" in process.stdout
    notes = " ".join(process.stderr.split())
    assert "Judged by toy (chosen with python -m detection models use). This is an opinion" in notes
    assert "Of photographs like those of its training, on average" in notes
    assert "never measured on sources that it was not trained on" in notes
    assert "no known trace of a generator was found" in notes


def test_every_json_and_csv_answer_says_what_it_is_worth(workplace, tmp_path, detector):
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(make_image(903, 48)))
    _, (answer,) = detect(workplace, path)
    assert answer["low"] <= answer["probability"] <= answer["high"]
    assert answer["detector_reason"] == "chosen with python -m detection models use"
    assert (answer["detector"], answer["generated_above"], answer["real_below"]) == (
        "toy",
        detector.point.generated_above,
        detector.point.real_below,
    )
    assert answer["promise"] == list(detector.statement.promise)
    assert answer["strangers"] == [
        "It was never measured on sources that it was not trained on: an opinion only."
    ]
    assert answer["warnings"][0].startswith("No face was found in it")
    assert answer["warnings"][1:] == [
        "It has fewer pixels than the detector's input: 48 instead of 64."
    ]
    process = run_command("detection", "--any-picture", "--csv", path, cwd=workplace)
    (row,) = csv.DictReader(io.StringIO(process.stdout))
    assert row["strangers"] == answer["strangers"][0]
    assert row["detector_reason"] == answer["detector_reason"]
    assert float(row["generated_above"]) == pytest.approx(answer["generated_above"], abs=1e-6)
    assert row["warnings"] == "; ".join(answer["warnings"])


def test_a_file_that_is_wrapped_otherwise_gets_the_same_answer(detector):
    """Metadata and trailing bytes cannot move a verdict: only decoded pixels decide."""
    for number in range(5):
        jpeg = encode_image(make_image(920 + number, 200), "JPEG", quality=88)
        comment = b"\xff\xfe" + (12).to_bytes(2, "big") + b"my holiday"
        wrapped = [jpeg, jpeg[:2] + comment + jpeg[2:], *(jpeg + bytes(n) for n in range(1, 11))]
        answers = detector.detect_batch([detector.decode_image(data, Path()) for data in wrapped])
        assert len({answer.sha256 for answer in answers}) == 12
        assert len({(answer.probability, answer.low, answer.high) for answer in answers}) == 1


def test_a_prevalence_turns_the_probability_and_no_verdict(workplace, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_image(make_image(905, generated=True)))
    (plain,), (rare,) = (detect(workplace, path, *more)[1] for more in ((), ("--prevalence", 0.01)))
    words = ("--any-picture", path)
    assert rare["at_prevalence"] < rare["probability"] == plain["probability"]
    assert rare["verdict"] == plain["verdict"] and "at_prevalence" not in plain
    table = run_command("detection", *words, "--prevalence", 0.01, cwd=workplace)
    assert "at the" in table.stdout and "as if half of all images" in table.stderr
    refused = run_command("detection", *words, "--prevalence", 1, cwd=workplace)
    assert refused.returncode == 2 and "choose a share between 0 and 1" in refused.stderr


def test_the_operating_point_is_chosen_by_option(workplace, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(make_image(905)))
    refused = run_command("detection", tmp_path / "a.png", "--false-alarms", 0.01, cwd=workplace)
    assert refused.returncode == 2
    assert "no cut at 1%: 99 groups of photographs needed" in " ".join(refused.stderr.split())
    words = ("--any-picture", tmp_path / "a.png")
    chosen = run_command("detection", *words, "--false-alarms", 0.05, cwd=workplace)
    assert chosen.returncode == 0


IMPORTS_PROGRAM = """
import runpy, sys

try:
    runpy.run_module("detection", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
assert "onnxruntime" in sys.modules
heavy = ("tensorflow", "keras", "torch", "sklearn", "scipy", "typeguard")
print([name for name in heavy if name in sys.modules])
"""


def test_no_tensorflow_is_imported(workplace, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(make_image(904)))
    words = [sys.executable, "-c", IMPORTS_PROGRAM, "--any-picture", str(tmp_path / "a.png")]
    process = subprocess.run(
        words, cwd=workplace, env=build_environment(), capture_output=True, text=True
    )
    assert process.stdout.strip().endswith("[]"), process.stdout + process.stderr


def test_a_photo_is_judged_from_the_pixels_that_training_saw(workplace, detector):
    """An image of the data set, given as a file, gets the probability that Keras computes."""
    import keras

    folder = workplace / "data" / "faces"
    records = manifest.select_accepted(manifest.read_manifest(folder), "validation")[:6]
    model = keras.saving.load_model(workplace / "saved_models" / "toy" / "detector.keras")
    qualities = detector.card.qualities
    pixels = np.concatenate(
        [feature_pixels.load_judgement_pixels(folder, row, 64, qualities) for row in records]
    )
    outputs = np.asarray(model.predict_on_batch(pixels.astype(np.float32)))
    expected = combine_qualities(outputs.reshape(-1, len(qualities)))[0]
    probabilities = [
        detection.probability
        for detection in detector.predict_all([folder / record.original for record in records])
    ]
    assert np.allclose(probabilities, expected, atol=1e-5)


def test_a_batch_gives_what_single_images_give(workplace, detector, tmp_path):
    paths = []
    for number in range(11):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(
            encode_image(make_image(950 + number, generated=bool(number % 2)))
            if number != 4
            else b"broken"
        )
    batch = list(detector.predict_all(paths))
    single = [detector.predict(path) for path in paths]
    assert [d.error for d in batch] == [d.error for d in single]
    assert np.allclose(
        [d.probability or 0 for d in batch], [d.probability or 0 for d in single], atol=1e-6
    )
    assert [d.path for d in batch] == paths


def test_verdicts_follow_the_card(detector, tmp_path):
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(
            encode_image(make_image(990 + number, generated=bool(number % 2)))
        )
    for detection in detector.predict_all(sorted(tmp_path.iterdir())):
        assert detection.verdict == detector.point.decide(
            detection.probability, detection.low, detection.high
        )


def put(folder, count: int) -> None:
    for number in range(count):
        (folder / f"{number:03}.png").write_bytes(
            encode_image(make_image(2000 + number, generated=bool(number % 2)))
        )


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_comma_separated_values_hold_what_json_holds(workplace, tmp_path):
    put(tmp_path, 3)
    (tmp_path / "=1+1,.png").write_bytes(encode_image(make_image(1)))
    (tmp_path / "bad.png").write_bytes(b"no")
    process = run_command(
        "detection",
        "--any-picture",
        "--model",
        workplace / "saved_models" / "toy",
        "--csv",
        *sorted(p.name for p in tmp_path.iterdir()),
        cwd=tmp_path,
    )
    csv_rows = rows(process.stdout)
    assert process.returncode == 1
    assert csv_rows[3]["path"] == "./=1+1,.png"  # a spreadsheet would calculate it otherwise
    _, answers = detect(workplace, *(tmp_path / name for name in ("000.png", "001.png", "002.png")))
    assert [(row["verdict"], float(row["probability"])) for row in csv_rows[:3]] == [
        (d["verdict"], d["probability"]) for d in answers
    ]
    assert (csv_rows[4]["verdict"], csv_rows[4]["probability"]) == (
        "",
        "",
    ) and "not an image" in csv_rows[4]["error"]


def test_one_picture_comes_through_standard_input(workplace, tmp_path):
    put(tmp_path, 1)
    words = [sys.executable, "-m", "detection", "--any-picture", "--json", "-"]
    process = subprocess.run(
        words,
        cwd=workplace,
        env=build_environment(),
        input=(tmp_path / "000.png").read_bytes(),
        capture_output=True,
    )
    _, answers = detect(workplace, tmp_path / "000.png")
    assert json.loads(process.stdout)[0] == {**answers[0], "path": "-"}


def test_a_pattern_stands_for_what_it_matches(workplace, tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.png", "b.jpg", "deep/c.png", "[x].png"):
        (tmp_path / name).write_bytes(encode_image(make_image(5)))
    _, answers = detect(workplace, f"{tmp_path}/**/*.png", f"{tmp_path}/[x].png")
    assert [answer["path"].removeprefix(f"{tmp_path}/") for answer in answers] == [
        "[x].png",
        "a.png",
        "deep/c.png",
        "[x].png",
    ]


def test_many_pictures_are_printed_as_they_come_and_counted(workplace, tmp_path):
    put(tmp_path, 60)
    process = run_command("detection", "--any-picture", tmp_path, cwd=workplace)
    title, *lines = process.stdout.splitlines()
    assert title == f"Images in {tmp_path}:"
    assert [line.split("  (")[0].split()[-1] for line in lines] == [
        f"{number:03}.png" for number in range(60)
    ]
    assert "60 images: " in process.stderr


def test_kept_answers_are_not_judged_again_and_a_torn_line_is(workplace, tmp_path):
    put(tmp_path, 4)
    keep = tmp_path / "answers.jsonl"
    _, first = detect(workplace, "--keep", keep, tmp_path)
    lines = keep.read_text().splitlines()
    assert len(lines) == 5 and str(tmp_path) not in keep.read_text()
    edited = json.loads(lines[1])
    edited["probabilities"][0]["value"] = 0.123456
    keep.write_text("\n".join([lines[0], json.dumps(edited), *lines[2:4], lines[4][:20]]))
    code, second = detect(workplace, "--keep", keep, tmp_path)
    assert code == 0
    assert [answer["probability"] for answer in second] == [
        0.123456,
        *(answer["probability"] for answer in first[1:]),
    ]
    assert [json.loads(line)["sha256"] for line in keep.read_text().splitlines()[1:]] == [
        answer["sha256"] for answer in first
    ]


@pytest.mark.parametrize(
    "content",
    ['{"detector": "another", "canonicaliser": 2}\n', "a shopping list\n", '{"my": "notes"}', "x"],
)
def test_a_file_of_other_answers_is_left_alone(workplace, tmp_path, content):
    put(tmp_path, 1)
    (tmp_path / "keep").write_text(content)
    process = run_command("detection", "--keep", tmp_path / "keep", tmp_path, cwd=workplace)
    assert (process.returncode, (tmp_path / "keep").read_text()) == (2, content)
    assert "Name another file with --keep" in process.stderr


def test_explaining_leaves_a_heat_map_beside_the_picture(workplace, tmp_path):
    put(tmp_path, 2)
    code, answers = detect(workplace, "--explain", tmp_path)
    assert (code, len(answers)) == (0, 2)
    for answer in answers:
        with Image.open(answer["path"] + ".heatmap.png") as sheet:
            assert sheet.width > 2 * 448 and sheet.height > 448 + SIMILAR_SIDE_PX
        assert len(answer["similar"]) == 6
        distances = [face["distance"] for face in answer["similar"]]
        assert distances == sorted(distances)
        assert all((workplace / face["file"]).is_file() for face in answer["similar"])
    assert [answer["probability"] for answer in answers] == pytest.approx(
        [answer["probability"] for answer in detect(workplace, tmp_path)[1]], abs=1e-6
    )


def test_similar_training_faces_are_shown_though_the_maps_failed_their_checks(
    workplace, tmp_path, monkeypatch
):
    put(tmp_path, 1)
    toy = shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "toy")
    facts = toy / "explainer" / "explainer.json"
    facts.write_text(
        facts.read_text().replace('"masking_win_rate": 0.9', '"masking_win_rate": 0.5')
    )
    (photo,) = tmp_path.glob("*.png")
    process = run_command(
        "detection", "--any-picture", "--model", toy, "--explain", photo, cwd=workplace
    )
    assert process.returncode == 0, process.stderr
    printed = " ".join(process.stderr.split())
    assert "failed their checks" in printed
    assert "Only the most similar training faces are shown" in printed
    assert "most similar training faces, the nearest first: " in process.stdout
    with Image.open(f"{photo}.heatmap.png") as sheet:
        right_half = sheet.crop((2 * MARGIN_PX + PANEL_SIDE_PX, 100, sheet.width, PANEL_SIDE_PX))
        assert right_half.getextrema() == ((255, 255),) * 3  # no map
        assert sheet.height > PANEL_SIDE_PX + SIMILAR_SIDE_PX

    monkeypatch.chdir(workplace)
    pages = PageAnswers(Detector.load(toy, any_picture=True))
    answer = pages.build_answer(pages.decode_image(photo.read_bytes()))
    assert answer["heat_map"] == "" and "failed their checks" in answer["no_heat_map"]
    assert len(answer["similar"]) == 6


def test_a_detector_without_checked_maps_and_training_faces_explains_nothing(workplace, tmp_path):
    put(tmp_path, 1)
    facts = workplace / "saved_models" / "toy" / "explainer" / "explainer.json"
    before = facts.read_text()
    try:
        content = json.loads(before)
        checks = content["checks"] | {"masking_win_rate": 0.5}
        facts.write_text(json.dumps({**content, "checks": checks, "training_images": {}}))
        process = run_command("detection", "--explain", tmp_path, cwd=workplace)
        assert (process.returncode, "failed their checks" in process.stderr) == (2, True)
        facts.unlink()
        process = run_command("detection", "--explain", tmp_path, cwd=workplace)
        assert (process.returncode, "python -m validation makes them" in process.stderr) == (
            2,
            True,
        )
    finally:
        facts.write_text(before)


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (Image.new("RGB", (300, 300), "red"), "one flat colour"),
        (make_image(1, side=20), "20 pixels a side"),
    ],
)
def test_what_shows_nothing_is_not_judged(detector, image, why, tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(image))
    detection = detector.predict(tmp_path / "a.png")
    assert (detection.verdict, detection.probability) == ("", None) and why in detection.error


def test_what_cannot_be_looked_at_is_an_answer_and_not_passed_over(workplace, tmp_path):
    put(tmp_path, 1)
    code, answers = detect(workplace, tmp_path, f"{tmp_path}/*.jfif", tmp_path / "none.png")
    assert code == 1
    assert [answer.get("error", "") for answer in answers] == ["", "no such file", "no such file"]


def test_a_heat_map_is_never_judged_and_one_that_cannot_be_written_costs_no_verdict(
    workplace, tmp_path
):
    names = [
        "a.png",
        "b" * 245 + ".png",
    ]  # with .heatmap.png the second is too long for a file's name
    for name in names:
        (tmp_path / name).write_bytes(encode_image(make_image(8)))
    process = run_command(
        "detection", "--any-picture", "--explain", "--json", tmp_path, cwd=workplace
    )
    assert process.returncode == 0 and "its heat map could not be written" in process.stderr
    assert len(json.loads(process.stdout)) == 2
    assert len(detect(workplace, *sorted(tmp_path.iterdir()))[1]) == 2


def test_a_detector_that_is_replaced_while_it_works_goes_on_as_it_was(workplace, tmp_path):
    model = shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "toy")
    (tmp_path / "a.png").write_bytes(encode_image(make_image(9)))
    detector = Detector.load(model, any_picture=True)
    (model / "detector.onnx").write_bytes(b"another")
    assert detector.predict(tmp_path / "a.png").probability is not None
    with pytest.raises(console.PlainError, match="was altered"):
        Detector.load(model)


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": "abc"},
        {"image_size": 0},
        {"sha256": []},
        {"crop": "nose"},
        {"dataset": {}},
        {"calibration": {}},
    ],
    ids=str,
)
def test_a_damaged_card_is_a_sentence(workplace, tmp_path, change):
    model = shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "toy")
    (model / "card.json").write_text(
        json.dumps(json.loads((model / "card.json").read_text()) | change)
    )
    with pytest.raises(
        console.PlainError, match=r"is damaged\. Restore it, or train the detector again"
    ):
        Detector.load(model)
