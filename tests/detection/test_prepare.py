"""`prepare` gives the pixels that a detector sees: the lines of docs/detect.md and of model cards
give detection's answers."""

import contextlib
import functools
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image, ImageCms

from detection.predictor import Detector
from detection.prepare import prepare
from runtime import console
from toys.commands import REPOSITORY_ROOT, build_environment
from toys.face_detector import draw_photograph
from toys.images import encode_image
from training.detectors import card as detector_card

READY = REPOSITORY_ROOT / "saved_models" / "telltale-faces"


def turn_by_tag(picture: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode_image(picture.rotate(90, expand=True), "JPEG", exif=exif)


def make_transparent(picture: Image.Image) -> Image.Image:
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def swap_primaries() -> bytes:
    """Return an sRGB profile whose red is green."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = (profile.index(name, 128) for name in (b"rXYZ", b"gXYZ"))
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


PICTURES = {
    "turned": turn_by_tag(draw_photograph(1, 400, 200)),
    "transparent": encode_image(make_transparent(draw_photograph(2))),
    "profile": encode_image(draw_photograph(3), "JPEG", icc_profile=swap_primaries()),
    "small": encode_image(draw_photograph(4).resize((70, 70))),
    "large": encode_image(draw_photograph(5).resize((2000, 2000)), "JPEG"),
    "wide": encode_image(draw_photograph(6, 640, 320), "TIFF"),
    "grey": encode_image(draw_photograph(7).convert("L"), "WEBP"),
}


def read_lines_of_documents() -> str:
    """Return the lines of docs/detect.md for Keras and ONNX Runtime."""
    text = (REPOSITORY_ROOT / "docs" / "detect.md").read_text()
    blocks = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    (block,) = [block for block in blocks if "telltale.prepare(" in block]
    return re.sub("^    ", "", block, flags=re.MULTILINE)


def read_lines_of_card(folder: Path) -> str:
    """Return the lines for Keras of a model card."""
    (block,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return block


def run_lines(lines: str, picture: bytes) -> list[str]:
    """Return what lines print in the current folder about a picture."""
    Path("photo.jpg").write_bytes(picture)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(lines, {})
    return output.getvalue().splitlines()


@pytest.fixture(scope="module")
def detectors(workplace, tmp_path_factory) -> Path:
    """A folder with the toy, which judges centre squares, and the ready detector, which judges
    faces."""
    folder = tmp_path_factory.mktemp("detectors")
    shutil.copytree(workplace / "saved_models" / "toy", folder / "saved_models" / "toy")
    shutil.copytree(READY, folder / "saved_models" / "ready")
    return folder


@pytest.fixture(scope="module", autouse=True)
def load_once():
    """Open each model once for all pictures, which takes Keras seconds."""
    with pytest.MonkeyPatch.context() as patch:
        load = functools.cache(keras.saving.load_model)
        patch.setattr(keras.saving, "load_model", lambda path: load(os.path.abspath(path)))
        yield


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("detector", ["toy", "ready"])
def test_the_lines_of_the_documents_give_detections_answer(detector, name, detectors, monkeypatch):
    monkeypatch.chdir(detectors)
    lines = read_lines_of_documents().replace("<name>", detector)
    verdict, *printed = run_lines(lines, PICTURES[name])
    by_keras, by_onnx = map(float, filter(re.compile(r"[\d.e-]+$").match, printed))
    expected = Detector.load(f"saved_models/{detector}").predict("photo.jpg")
    assert verdict == expected.verdict
    assert by_onnx == pytest.approx(expected.probability, abs=1e-5)
    assert by_keras == pytest.approx(expected.probability, abs=1e-5)


@pytest.mark.parametrize("name", ["turned", "profile", "wide"])
def test_the_lines_of_a_model_card_give_detections_answer(name, detectors, monkeypatch):
    monkeypatch.chdir(detectors / "saved_models" / "ready")
    printed = run_lines(read_lines_of_card(READY), PICTURES[name])
    expected = Detector.load(".").predict("photo.jpg").probability
    assert float(printed[-1]) == pytest.approx(expected, abs=1e-5)


def test_pixels_are_those_of_the_card(workplace, tmp_path):
    folder = workplace / "saved_models" / "toy"
    card = detector_card.read_card(folder)
    (tmp_path / "photo.jpg").write_bytes(PICTURES["wide"])
    pixels = prepare(tmp_path / "photo.jpg", str(folder))
    assert pixels.shape == (len(card.qualities), card.image_size, card.image_size, 3)
    assert pixels.dtype == np.float32 and 200 < pixels.max() <= 255
    assert not np.array_equal(*pixels)  # the qualities differ


def test_a_detector_is_named_as_the_command_line_takes_it(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(PICTURES["wide"])
    photo = tmp_path / "photo.jpg"
    named, by_path = (prepare(photo, each, any_picture=True) for each in ("telltale-faces", READY))
    assert np.array_equal(named, by_path)
    with pytest.raises(console.PlainError, match="Did you mean telltale-faces"):
        prepare(photo, "telltale-face")


def test_an_image_without_a_verdict_has_no_pixels(workplace, tmp_path):
    folder, path = workplace / "saved_models" / "toy", tmp_path / "photo.jpg"
    with pytest.raises(FileNotFoundError, match="no such file"):
        prepare(path, folder)
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="photo.jpg: not an image of a known format"):
        prepare(path, folder)
    path.write_bytes(encode_image(Image.linear_gradient("L")))
    with pytest.raises(ValueError, match="no face was found"):
        prepare(path, folder)
    assert prepare(path, folder, any_picture=True).size
    with pytest.raises(ValueError, match="not a regular file|this folder cannot be read"):
        prepare(tmp_path, folder)


def test_pixels_need_no_tensorflow(workplace, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(PICTURES["small"])
    program = (
        "import sys, telltale\n"
        f"telltale.prepare('photo.jpg', {os.fspath(workplace / 'saved_models' / 'toy')!r})\n"
        "assert not {'tensorflow', 'keras', 'onnx'} & set(sys.modules)"
    )
    environment = build_environment(PYTHONPATH=str(REPOSITORY_ROOT))
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
