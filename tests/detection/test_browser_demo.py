"""The page of docs/browser-demo gives in a browser what Detector gives in Python, and contacts no
other server."""

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from data_collection.images import canonical, decode
from detection.predictor import Detector
from toys.commands import REPOSITORY_ROOT
from toys.heif_files import write_heic
from toys.images import encode_image, make_image

pytestmark = pytest.mark.slow

DEMO = REPOSITORY_ROOT / "docs" / "browser-demo"
TOLERANCE = 0.0001
"""In probability. Chromium decodes and encodes JPEG as Pillow does, so pixels are the same; only
sums are rounded otherwise."""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words) -> None:
        pass


def install_runtime(folder: Path) -> None:
    """Link node_modules if npm install was run, or install it for the tests."""
    if (DEMO / "node_modules" / "onnxruntime-web").is_dir():
        (folder / "node_modules").symlink_to(DEMO / "node_modules")
        return
    if not shutil.which("npm"):
        pytest.skip("no npm here")
    words = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    try:
        process = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not come to an end")
    if process.returncode:
        pytest.skip(f"npm cannot fetch onnxruntime-web: {process.stderr[-200:]}")


@pytest.fixture(scope="module")
def site(workplace, tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """The page with the toy detector beside it, served; its folder and address."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
    install_runtime(folder)
    for name in ("card.json", "detector.onnx"):
        shutil.copyfile(workplace / "saved_models" / "toy" / name, folder / name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def tab(browser, site) -> Iterator:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append((request.method, request.url)))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(site[1])
    page.locator("#status", has_text="toy is ready").wait_for(timeout=120_000)
    yield page
    page.close()


def judge(tab, name: str, data: bytes) -> tuple[str, float]:
    tab.set_input_files("#file", {"name": name, "mimeType": "", "buffer": data})
    tab.locator("#name", has_text=name).wait_for(timeout=60_000)
    data_set = tab.locator("#result").evaluate("part => ({...part.dataset})")
    return data_set["verdict"], float(data_set["probability"])


def make_images() -> dict[str, bytes]:
    rotated = make_image(5, 200).crop((0, 0, 200, 130))
    exif = rotated.getexif()
    exif[0x0112] = 6
    wide = make_image(8, 301, generated=True).crop((0, 0, 301, 180))
    return {
        "photo.jpg": encode_image(make_image(1, 400), "JPEG", quality=92),
        "generated.png": encode_image(make_image(2, 333, generated=True)),
        "as large as the detector.png": encode_image(make_image(3, 64)),
        "smaller.png": encode_image(make_image(4, 40)),
        "turned.jpg": encode_image(rotated, "JPEG", quality=95, exif=exif),
        "wide.webp": encode_image(wide, "WEBP", lossless=True),
        "photo.avif": encode_image(make_image(10, 200), "AVIF", quality=90),
        "plain.bmp": encode_image(make_image(9, 128), "BMP"),
    }


def test_the_page_says_what_python_says(tab, workplace, tmp_path):
    detector = Detector.load(workplace / "saved_models" / "toy", any_picture=True)
    differences = {}
    for name, data in make_images().items():
        (tmp_path / name).write_bytes(data)
        expected, (verdict, probability) = (
            detector.predict(tmp_path / name),
            judge(tab, name, data),
        )
        differences[name] = abs(probability - expected.probability)
        assert verdict == expected.verdict
    assert max(differences.values()) < TOLERANCE, differences
    assert tab.errors == []


def test_a_transparent_picture_lies_on_grey(tab):
    """The browser blends with another rounding than Pillow: a quarter of the pixels differ by one
    level before the JPEG."""
    transparent = make_image(6, 150).convert("RGBA")
    transparent.putalpha(make_image(7, 150).convert("L"))
    data = encode_image(transparent)
    program = """async (data) => {
        const { canonicalise } = await import("./canonical.js");
        const file = new File([Uint8Array.from(data)], "x");
        return Array.from((await canonicalise(file, 64, [65]))[0].pixels);
    }"""
    expected = canonical.compute_judgement_pixels(decode.decode_face(data), 64, [65])[0]
    pixels = np.array(tab.evaluate(program, list(data))).reshape(64, 64, 3)
    assert np.abs(pixels - expected).mean() < 1


def test_nothing_leaves_the_browser(tab, site):
    judge(tab, "photo again.jpg", make_images()["photo.jpg"])
    assert {(method, url.startswith((site[1], "data:"))) for method, url in tab.requests} == {
        ("GET", True)
    }
    blocked = "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => 'blocked')"
    messages = []
    tab.on("console", lambda message: messages.append(message.text))
    assert tab.evaluate(blocked) == "blocked" and "Content Security Policy" in messages[0]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"hello there, this is text", "Not an image of a known format"),
        (b"", "This file is empty; choose another one."),
        (b"\xff\xd8\xff\xe0 and then nothing", "damaged"),
        (encode_image(make_image(1), "AVIF")[:900], "damaged, or this browser does not know AVIF"),
        (write_heic(), "Browsers do not open HEIC; save it as JPEG."),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "Browsers do not open HEIC; save it as JPEG."),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "Videos are not opened"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01", "Videos are not opened"),
        (b"RIFF\x24\0\0\0AVI LIST", "Videos are not opened"),
        (encode_image(make_image(1), "TIFF"), "Browsers do not open TIFF; save it as JPEG or PNG."),
        (b"MM\0*\0\0\0\x08", "Browsers do not open TIFF; save it as JPEG or PNG."),
        (encode_image(make_image(1), "GIF"), "GIF is not opened; save it as JPEG or PNG."),
        (encode_image(make_image(1), "PDF"), "PDF is not opened; save the picture in it as JPEG"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "SVG is not opened"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "Not an image of a known format"),
        (encode_image(make_image(1, 24)), "24 pixels a side, too few"),
        (encode_image(make_image(1, 900).resize((900, 33))), "a strip, not a face"),
        (encode_image(make_image(1).point(lambda _: 90)), "one flat colour"),
    ],
)
def test_what_is_no_picture_of_a_face_is_one_sentence(tab, data, sentence):
    tab.set_input_files("#file", {"name": "x", "mimeType": "image/jpeg", "buffer": data})
    tab.locator("#error", has_text=sentence).wait_for(timeout=30_000)
    assert tab.get_attribute("#error", "role") == "alert" and tab.locator("#result").is_hidden()


def test_keyboard_readers_and_phones_are_served(tab):
    judge(tab, "photo.jpg", make_images()["photo.jpg"])
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.labels[0].textContent.trim()").startswith(
        "Drop an image"
    )
    assert tab.locator("section[aria-live=polite] #headline").inner_text()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_dropped_and_a_pasted_picture_are_judged(tab):
    data = list(encode_image(make_image(11), "JPEG"))
    program = """([kind, data]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(data)], `${kind}.jpg`));
        const field = kind === "paste" ? "clipboardData" : "dataTransfer";
        const Event = kind === "paste" ? ClipboardEvent : DragEvent;
        const options = { [field]: transfer, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new Event(kind, options));
    }"""
    for kind in ("drop", "paste"):
        tab.evaluate(program, [kind, data])
        tab.locator("#name", has_text=f"{kind}.jpg").wait_for(timeout=30_000)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"sha256": {"detector.onnx": "another"}},
            "card.json does not belong to this detector.onnx",
        ),
        ({"canonicaliser": 1}, "another version of Telltale"),
        ({"crop": "face"}, "needs cropped faces"),
        (None, "card.json is missing beside this page"),
    ],
)
def test_a_detector_that_the_page_cannot_judge_with_is_refused(browser, site, change, sentence):
    folder, address = site
    before = (folder / "card.json").read_text()
    try:
        (folder / "card.json").write_text(json.dumps({**json.loads(before), **(change or {})}))
        if change is None:
            (folder / "card.json").unlink()
        page = browser.new_page()
        page.goto(address)
        page.locator("#error", has_text=sentence).wait_for(timeout=60_000)
        page.close()
    finally:
        (folder / "card.json").write_text(before)
