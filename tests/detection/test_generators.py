"""The closest known generator is named for what is called generated, and for nothing else."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from detection import answer_log
from detection.image_paths import ImageListing
from detection.output.csv_rows import build_csv_row
from detection.output.json_answers import build_json_answer
from detection.output.table import print_table
from detection.predictor import Detector
from detection.web.answers import PageAnswers
from detection.web.app import PAGE_FOLDER
from runtime import console
from toys.commands import run_command
from toys.face_detector import draw_schematic_face
from toys.images import encode_image
from training.attribution.attribution import NONE_OF_THE_KNOWN
from training.cuts.operating_point import OperatingPoint
from training.detectors import card as detector_card
from training.detectors import ready_detectors, saved_models
from training.onnx_files import onnx_models

READY = ready_detectors.READY_FOLDER / "telltale-faces"
CARD = detector_card.read_card(READY)
PATH = Path("a.png")


def draw(*centres: int) -> bytes:
    picture = Image.new("RGB", (300 * len(centres), 420), (200, 210, 190))
    for centre in centres:
        picture = draw_schematic_face(picture, centre, 210, 90)
    return encode_image(picture)


ONE, TWO = draw(150), draw(150, 450)


def load(limit: float, name_cut: float = 0.0, **changes: object) -> Detector:
    """Return the ready detector with another false-alarm cut, and another cut for names."""
    attribution = replace(CARD.attribution, cut=name_cut)
    card = replace(CARD, **{"attribution": attribution, **changes})
    cut = replace(card.calibration.point.false_alarm_cut, limit=limit)
    miss = replace(card.calibration.point.miss_cut, limit=min(limit, 0.001))
    return Detector(READY, card, point=OperatingPoint(false_alarm_cut=cut, miss_cut=miss))


def judge(detector: Detector, data: bytes = ONE):
    return detector.detect_batch([detector.decode_image(data, PATH)])[0]


def test_what_is_called_generated_gets_the_closest_known_generator():
    detector = load(1e-6)
    detection = judge(detector)
    assert detection.verdict == "generated"
    assert detection.generator.closest in CARD.attribution.generators
    assert 1 / 8 <= detection.generator.probability <= 1
    answer = build_json_answer(detection, detector.statement)
    assert answer["generator"] == {
        "closest": detection.generator.closest,
        "probability": round(detection.generator.probability, 6),
        "known": list(CARD.attribution.generators),
    }
    assert answer["generator_means"] == CARD.attribution.describe_worth()
    assert answer["generator_means"] in detector.statement.list_sentences()
    row = build_csv_row(detection, detector.statement)
    assert row["generator"] == detection.generator.closest
    assert float(row["generator_probability"]) == answer["generator"]["probability"]


def test_below_the_cut_of_names_it_is_none_of_the_known(capsys):
    detector = load(1e-6, name_cut=1.0)
    detection = judge(detector)
    answer = build_json_answer(detection, detector.statement)
    assert answer["generator"]["closest"] is answer["generator"]["probability"] is None
    row = build_csv_row(detection, detector.statement)
    assert (row["generator"], row["generator_probability"]) == (NONE_OF_THE_KNOWN, "")
    list(print_table([detection], ImageListing(total=1), detector.statement))
    assert f"a.png: {NONE_OF_THE_KNOWN}" in capsys.readouterr().out


@pytest.mark.parametrize("limit", [1 - 1e-9])
def test_nothing_is_named_for_what_is_not_called_generated(limit, capsys):
    detector = load(limit)
    for data in (ONE, TWO):
        detection = judge(detector, data)
        assert detection.verdict != "generated" and detection.generator is None
        assert all(face.generator is None for face in detection.faces)
        answer = json.dumps(build_json_answer(detection, detector.statement))
        assert json.loads(answer)["generator"] is None
        row = build_csv_row(detection, detector.statement)
        assert row["generator"] == row["generator_probability"] == ""
        list(print_table([detection], ImageListing(total=1), detector.statement))
    assert "closest" not in capsys.readouterr().out


def test_a_detector_without_attribution_says_nothing_of_generators(capsys):
    detector = load(1e-6, attribution=None)
    detection = judge(detector)
    assert detection.verdict == "generated" and detection.generator is None
    answer = build_json_answer(detection, detector.statement)
    assert not {
        name for name in answer if name.startswith("generator") and name != "generated_above"
    }
    list(print_table([detection], ImageListing(total=1), detector.statement))
    assert "known generators" not in capsys.readouterr().out + str(detector.statement)


def test_the_probability_is_the_same_bit_for_bit_with_names_and_without():
    named, plain = judge(load(1e-6)), judge(load(1e-6, attribution=None))
    assert (named.probability, named.low, named.high) == (plain.probability, plain.low, plain.high)


def test_of_several_faces_each_has_its_own_and_the_picture_that_of_the_most_suspicious():
    card = replace(CARD, attribution=replace(CARD.attribution, cut=0.0))
    cuts = tuple(replace(cut, limit=1e-6) for cut in card.calibration.false_alarm_cuts)
    misses = tuple(replace(cut, limit=1e-7) for cut in card.calibration.miss_cuts)
    calibration = replace(card.calibration, false_alarm_cuts=cuts, miss_cuts=misses)
    detection = judge(Detector(READY, replace(card, calibration=calibration)), TWO)
    assert len(detection.faces) == 2
    assert all(face.generator for face in detection.faces)
    assert detection.generator == detection.faces[detection.most_suspicious].generator


def test_the_page_names_it_in_words_and_numbers():
    detector = load(1e-6)
    pages = PageAnswers(detector)
    answer = pages.build_answer(pages.decode_image(ONE), explain=False)
    assert answer["generator_words"].startswith(f"closest to: {answer['generator']['closest']} (")
    assert answer["generator_means"] in answer["worth"]
    schemas = json.loads((PAGE_FOLDER / "openapi.json").read_text())["components"]["schemas"]
    for schema in (
        schemas["Detection"]["properties"]["generator"]["oneOf"][0],
        schemas["Face"]["properties"]["generator"],
    ):
        name = schema["$ref"].rpartition("/")[2]
        assert set(answer["generator"]) == set(schemas[name]["required"])
    pages = PageAnswers(load(1 - 1e-9))
    answer = pages.build_answer(pages.decode_image(ONE), explain=False)
    assert answer["generator"] is None and answer["generator_words"] == ""


def test_saved_answers_keep_the_generator_and_older_ones_are_judged_again(tmp_path):
    detector, file = load(1e-6), tmp_path / "answers.jsonl"
    judged = judge(detector)

    def read() -> dict:
        with answer_log.open_answer_log(file, CARD) as log:
            return dict(log.known_answers)

    with answer_log.open_answer_log(file, CARD) as log:
        log.add(
            replace(
                judged,
                generator=None,
                faces=tuple(replace(face, generator=None) for face in judged.faces),
            )
        )
    again = detector.decode_image(ONE, PATH, read())
    assert again.pixels.size  # it lacks the generator
    (detection,) = detector.detect_batch([again])
    assert detection == judged
    with answer_log.open_answer_log(file, CARD) as log:
        log.add(detection)
    known = detector.decode_image(ONE, PATH, read())
    assert not known.pixels.size and known.detection == judged
    not_named = load(1 - 1e-9).decode_image(ONE, PATH, read()).detection
    assert not_named.generator is None
    invented = file.read_text().replace(judged.generator.nearest.name, "invented")
    file.write_text(invented)
    assert detector.decode_image(ONE, PATH, read()).pixels.size


def test_a_card_that_names_other_tensors_is_refused():
    attribution = replace(CARD.attribution, tensors=("nowhere:0",) * len(CARD.attribution.tensors))
    detector = Detector(READY, replace(CARD, attribution=attribution))
    with pytest.raises(console.PlainError, match="lacks the outputs") as caught:
        judge(detector)
    assert caught.value.exit_code == console.EXIT_BAD_MODEL


def test_a_command_names_generators_in_every_format(tmp_path):
    folder = tmp_path / "named"
    shutil.copytree(READY, folder, ignore=shutil.ignore_patterns("report", "explainer"))
    cuts = tuple(replace(cut, limit=1e-6) for cut in CARD.calibration.false_alarm_cuts)
    misses = tuple(replace(cut, limit=1e-7) for cut in CARD.calibration.miss_cuts)
    calibration = replace(CARD.calibration, false_alarm_cuts=cuts, miss_cuts=misses)
    attribution = replace(CARD.attribution, cut=0.0)
    detector_card.write_card(
        folder, replace(CARD, calibration=calibration, attribution=attribution)
    )
    (tmp_path / "face.png").write_bytes(ONE)
    words = ("detection", "face.png", "--model", folder)
    table = run_command(*words, cwd=tmp_path)
    assert table.returncode == 0 and "face.png: closest to: " in table.stdout
    assert "names the closest of 7 known generators" in "".join(table.stdout + table.stderr)
    (answer,) = json.loads(run_command(*words, "--json", cwd=tmp_path).stdout)
    rows = csv.DictReader(io.StringIO(run_command(*words, "--csv", cwd=tmp_path).stdout))
    assert [row["generator"] for row in rows] == [answer["generator"]["closest"]]


def test_the_inner_tensors_are_those_of_the_model_and_its_output_stays():
    model = saved_models.read_verified_model(READY, CARD, saved_models.ONNX_FILE)
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 128, 128, 3)).astype(np.float32)
    alone = onnx_models.open_onnx(model)(pixels)
    output, *heads = onnx_models.open_onnx_with_tensors(model, CARD.attribution.tensors)(pixels)
    assert np.array_equal(output, alone)
    tensors = [onnx_models.InnerTensor(name, False) for name in CARD.attribution.tensors]
    for head, expected in zip(
        heads, onnx_models.open_inner_tensors(model, tensors)(pixels), strict=True
    ):
        assert head.shape == (3, 7) and np.array_equal(head, expected)
    with pytest.raises(ValueError):
        onnx_models.open_onnx_with_tensors(model, ["nowhere:0"])
    whole = onnx.load_model_from_string(model + onnx_models._encode_outputs(["x" * 300]))
    assert [value.name for value in whole.graph.output][1:] == ["x" * 300]
