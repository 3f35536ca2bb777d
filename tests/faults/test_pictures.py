"""Malicious and disguised images are refused with a reason, at once, and in little memory."""

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile

from data_collection.images import decode, errors, quality
from detection.detections import Detection, PreparedImage
from detection.web.preprocessing import describe_preprocessing
from faults import fuzzing
from toys.commands import build_environment
from toys.images import encode_image, make_image
from training.detectors import ready_detectors
from training.detectors.card import read_card

RED = (200, 40, 30)
DECODING_PROGRAM = """
import json, sys, time
from pathlib import Path
from data_collection.images import decode, errors

def peak():
    return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

def explain(data):
    try:
        decode.decode_face(data)
    except errors.UnreadableImage as error:
        return str(error)
    return ""

paths, reasons, slowest = sorted(Path(sys.argv[1]).iterdir()), {}, 0
explain(paths[0].read_bytes())
before = peak()
for path in paths:
    data, start = path.read_bytes(), time.process_time()
    reasons[path.name] = explain(data)
    slowest = max(slowest, time.process_time() - start)
print(json.dumps({"reasons": reasons, "slowest": slowest, "growth": peak() - before}))
"""


@dataclass
class DecodingResult:
    """Reason by file (empty if it was opened), CPU seconds of the slowest, and bytes by which the
    process grew at its peak."""

    reasons: dict[str, str]
    slowest: float
    growth: int


def decode_in_process(folder: Path, files: dict[str, bytes]) -> DecodingResult:
    """Decode the files in a process of its own, after a good image that takes what any image
    takes."""
    folder.mkdir()
    for name, data in {" first": encode_image(make_image(1, 400)), **files}.items():
        (folder / name).write_bytes(data)
    words = [sys.executable, "-c", DECODING_PROGRAM, str(folder)]
    done = subprocess.run(
        words, env=build_environment(), capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    result = DecodingResult(**json.loads(done.stdout))
    assert result.reasons.pop(" first") == ""
    return result


def decode_centre_pixel(data: bytes) -> list[int]:
    return np.asarray(decode.decode_face(data).square)[32, 32].astype(int).tolist()


# Other kinds of files


@pytest.mark.parametrize("name", ["text", "page", "svg", "pdf", "eps", "psd", "fits", "icon"])
def test_another_kind_of_file_is_called_one(name):
    kinds = fuzzing.make_traps() | {"icon": encode_image(make_image(1, 32), "ICO")}
    with pytest.raises(errors.UnknownImageFormat, match="not an image of a known format"):
        decode.decode_face(kinds[name])


# Time and memory

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")


@pytest.mark.slow
@needs_proc
def test_five_thousand_flipped_bits_cost_neither_time_nor_memory(tmp_path):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    generator = random.Random(seed)
    wholes = [
        encode_image(make_image(8, side), kind)
        for kind in ("JPEG", "PNG", "WEBP")
        for side in (48, 200)
    ]
    files = {}
    for number in range(5000):
        data = bytearray(wholes[number % len(wholes)])
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        files[f"{number:04}"] = bytes(data)
    result = decode_in_process(tmp_path / "files", files)
    assert len(result.reasons) == 5000 and result.slowest < 1 and result.growth < 50e6, (
        result.slowest,
        result.growth,
    )


@needs_proc
def test_what_claims_to_be_enormous_is_refused_from_its_header(tmp_path):
    sizes = [(10_000, 10_000), (60_000, 60_000), (20_000, 1), (1, 20_000), (5001, 5000)]
    result = decode_in_process(
        tmp_path / "files",
        {f"{width}x{height}": fuzzing.make_png(width, height, b"") for width, height in sizes},
    )
    strips = {"20000x1", "1x20000"}
    assert all(
        ("strip" if name in strips else "larger than 25 megapixels") in reason
        for name, reason in result.reasons.items()
    )
    assert result.slowest < 0.05 and result.growth < 5e6, (result.slowest, result.growth)


def make_jpeg_with_exif_parts(number: int) -> bytes:
    """Return a JPEG whose EXIF comes in `number` parts of 64 kB."""
    good, body = encode_image(make_image(1), "JPEG"), b"Exif\0\0II*\0" + bytes(65_000)
    return good[:2] + number * (b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body) + good[2:]


@needs_proc
def test_metadata_that_grows_without_end_costs_neither_time_nor_memory(tmp_path):
    bombs = {name: data for name, data in fuzzing.make_traps().items() if "bomb" in name}
    exif = {
        "parts": make_jpeg_with_exif_parts(300),
        "a few parts": make_jpeg_with_exif_parts(20),
    }
    result = decode_in_process(tmp_path / "files", bombs | exif)
    assert len(bombs) == 2 and result.reasons.pop("a few parts") == ""
    assert "EXIF in more than 100 parts" in result.reasons.pop("parts")
    assert not any(result.reasons.values()), result.reasons  # the pixels are read without it
    assert result.slowest < 0.5 and result.growth < 50e6, (result.slowest, result.growth)


def test_a_single_point_is_a_single_colour():
    assert quality.is_single_colour(decode.decode_face(fuzzing.make_traps()["png of one point"]))


# Single colours


@pytest.mark.parametrize(("difference", "single"), [(0, True), (3, True), (4, False)])
def test_a_single_colour_is_one_that_differs_by_less_than_two_levels(difference, single):
    """The standard deviation of a chessboard is half the difference of its fields."""
    board = np.indices((64, 64)).sum(0) % 2 * difference + 100
    data = encode_image(Image.fromarray(board.astype(np.uint8)).convert("RGB"))
    assert quality.is_single_colour(decode.decode_face(data)) == single


# Cut files


def test_files_that_are_cut_are_never_opened_as_they_are():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


# Colours of print


def encode_ycck(image: Image.Image) -> bytes:
    """Encode a CMYK image as Adobe's programs do: luminance, colour differences and black."""
    *inks, black = image.split()
    differences = Image.merge("RGB", inks).convert("YCbCr").split()
    # Pillow and Adobe invert the levels.
    stored = [band.point(lambda level: 255 - level) for band in differences]
    data = encode_image(Image.merge("CMYK", [*stored, black]), "JPEG", quality=98)
    index = data.index(b"Adobe") + 11
    assert data[index] == 0
    return data[:index] + b"\2" + data[index + 1 :]


def encode_for_print() -> dict[str, bytes]:
    red = Image.new("RGB", (64, 64), RED)
    cmyk, profile = red.convert("CMYK"), ImageCms.createProfile("sRGB")
    lab = ImageCms.profileToProfile(red, profile, ImageCms.createProfile("LAB"), outputMode="LAB")
    other = ImageCms.ImageCmsProfile(profile).tobytes()
    return {
        "CMYK JPEG": encode_image(cmyk, "JPEG", quality=95),
        "CMYK JPEG with a profile of another kind": encode_image(
            cmyk, "JPEG", quality=95, icc_profile=other
        ),
        "YCCK JPEG": encode_ycck(cmyk),
        "CMYK TIFF": encode_image(cmyk, "TIFF"),
        "LAB TIFF": encode_image(lab, "TIFF"),
        "YCbCr TIFF": encode_image(red.convert("YCbCr"), "TIFF"),
    }


@pytest.mark.parametrize("kind", encode_for_print())
def test_colours_of_print_are_within_three_levels(kind):
    assert np.abs(np.subtract(decode_centre_pixel(encode_for_print()[kind]), RED)).max() <= 3


# The first frame, upright


def test_of_two_pictures_in_one_jpeg_the_first_is_used():
    red, blue = (Image.new("RGB", (64, 64), colour) for colour in (RED, "blue"))
    data = encode_image(red, "MPO", save_all=True, append_images=[blue], quality=95)
    face = decode.decode_face(data)
    assert face.frames == 2 and np.abs(np.subtract(decode_centre_pixel(data), RED)).max() <= 3
    image = PreparedImage(Detection(path=Path("a.jpg")), face)
    card = read_card(ready_detectors.find_ready_detectors()[0])
    assert "Only its first frame was used." in describe_preprocessing(image, card)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_tag_turns_the_pixels_and_nothing_else(kind, orientation):
    turns = (None, None, 0, 3, 1, 5, 4, 6, 2)  # Transpose operations, by the tag that asks for them
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain, tagged = (
        encode_image(make_image(2), kind, quality=90, **more) for more in ({}, {"exif": exif})
    )
    expected = decode.decode_face(plain).square
    if turns[orientation] is not None:
        expected = expected.transpose(turns[orientation])
    assert np.array_equal(decode.decode_face(tagged).square, expected)
