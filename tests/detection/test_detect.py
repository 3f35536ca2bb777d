"""The detection command and the Detector: one answer per file, in order, the same as the network gives in Keras."""

import json
import subprocess
import sys

import numpy as np
import pytest

from data_collection import manifest
from detection.predictor import Detector
from toys import command, encoded, environment_of, picture
from training import feature_cache


@pytest.fixture
def detector(workplace) -> Detector:
    return Detector.load(workplace / "saved_models" / "toy")


def detect(workplace, *words: object) -> tuple[int, list[dict]]:
    done = command("detection", "--json", *words, cwd=workplace)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_json_has_one_element_per_file_in_order(workplace, tmp_path):
    names = ['it\'s "one" 🙂.png', "two.jpg"]
    (tmp_path / names[0]).write_bytes(encoded(picture(900, generated=True)))
    (tmp_path / names[1]).write_bytes(encoded(picture(901), "JPEG"))
    (tmp_path / "broken.png").write_bytes(b"no")
    paths = [str(tmp_path / name) for name in (*names, "broken.png", "missing.jpg")]
    code, found = detect(workplace, *paths)
    assert (code, [each["path"] for each in found]) == (1, paths)
    assert all(each["verdict"] in ("generated", "real", "can't tell") and 0 <= each["probability"] <= 1 for each in found[:2])
    assert found[0]["probability"] > found[1]["probability"]
    assert [set(each) for each in found[2:]] == [{"path", "error"}] * 2
    assert found[3]["error"] == "no such file"
    assert detect(workplace, *paths[:2])[0] == 0


def test_a_folder_is_looked_through_and_only_its_images(workplace, tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.png", "deep/b.JPG", ".hidden.png", "notes.txt", "old.gif"):
        (tmp_path / name).write_bytes(encoded(picture(902)))
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    code, found = detect(workplace, tmp_path)
    assert (code, [each["path"] for each in found]) == (0, [str(tmp_path / n) for n in ("a.png", "deep/b.JPG", "old.gif")])


def test_the_table_names_verdict_probability_and_limits(workplace, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(903)))
    done = command("detection", tmp_path / "a.png", cwd=workplace)
    assert done.returncode == 0
    assert "a.png" in done.stdout and "probability of generated" in done.stdout
    assert "answers were wrong; on others" in done.stderr and "This is no proof" in done.stderr


def test_no_tensorflow_is_imported(workplace, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture(904)))
    program = (
        f"import sys, runpy\nsys.argv = ['x', {str(tmp_path / 'a.png')!r}]\n"
        "try: runpy.run_module('detection', run_name='__main__')\nexcept SystemExit as end: assert end.code == 0\n"
        "assert 'onnxruntime' in sys.modules\n"
        "print([name for name in ('tensorflow', 'keras', 'torch', 'sklearn', 'scipy') if name in sys.modules])"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=workplace, env=environment_of(), capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


def test_a_photo_is_judged_from_the_pixels_that_training_saw(workplace, detector):
    """An image of the data set, given as a file, gets what Keras says of it."""
    import keras

    folder = workplace / "data" / "faces"
    records = manifest.accepted(manifest.read(folder), "validation")[:6]
    model = keras.saving.load_model(workplace / "saved_models" / "toy" / "detector.keras")
    pixels = np.stack([feature_cache.canonical(folder, record, 64, 0) for record in records])
    expected = np.asarray(model.predict_on_batch(pixels.astype(np.float32)))[:, 0]
    found = [detection.probability for detection in detector.predict_all([folder / record.original for record in records])]
    assert np.allclose(found, expected, atol=1e-5)


def test_a_batch_gives_what_single_images_give(workplace, detector, tmp_path):
    paths = []
    for number in range(11):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(encoded(picture(950 + number, generated=bool(number % 2))) if number != 4 else b"broken")
    together = list(detector.predict_all(paths))
    alone = [detector.predict(path) for path in paths]
    assert [d.error for d in together] == [d.error for d in alone]
    assert np.allclose([d.probability or 0 for d in together], [d.probability or 0 for d in alone], atol=1e-6)
    assert [d.path for d in together] == paths


def test_verdicts_follow_the_card(detector, tmp_path):
    band = detector.card.calibration
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(990 + number, generated=bool(number % 2))))
    for found in detector.predict_all(sorted(tmp_path.iterdir())):
        assert found.verdict == band.verdict(found.probability)
