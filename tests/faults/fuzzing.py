"""`python tests/faults/fuzzing.py DOOR`: fuzz one of the three doors through which strangers' bytes
come in.

A door takes bytes and returns if they were read or refused with a message; it raises for
everything else. Hypothesis alters the seeds in the tests; `atheris` (pip install atheris) continues
from them for as long as it may run, guided by coverage.
"""

import argparse
import dataclasses
import functools
import json
import struct
import sys
import tempfile
import typing
import zlib
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from data_collection.dataset import manifest
from data_collection.images import canonical, decode, errors, quality
from runtime import console, hashing
from toys.heif_files import make_coded_item, make_grid_item, turn, write_heic, write_heif
from toys.images import encode_image, make_image

SIDE = 48


def check_image(data: bytes) -> None:
    """Decode an image as collection and detection do: it is refused with a reason, or becomes
    pixels of the canonical size."""
    try:
        face = decode.decode_face(data)
    except errors.UnreadableImage as error:
        assert str(error) and "\n" not in str(error)
        return
    pixels = canonical.compute_canonical_pixels(face, hashing.hash_bytes(data), SIDE, 1)
    assert pixels.shape == (SIDE, SIDE, 3) and pixels.dtype == "uint8"
    assert isinstance(quality.is_single_colour(face), bool)
    assert face.square.width < 8 or quality.measure_detail_power(face.square) >= 0


def check_manifest_line(data: bytes) -> None:
    """Read a row of manifest.jsonl, followed by a good one: it has the right types, or the error
    gives its number."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest.manifest_path(folder).write_bytes(
            data.replace(b"\n", b" ") + b"\n" + make_manifest_row()
        )
        try:
            records = manifest.read_manifest(folder)
        except console.PlainError as error:
            assert "Line 1 of" in str(error) and error.exit_code == console.EXIT_DISK
            return
        for record in records:
            for field, types in _get_field_types().items():
                assert isinstance(getattr(record, field), types), (field, getattr(record, field))


def check_card(data: bytes) -> None:
    """Read card.json of a saved detector: it is valid, or the error calls it damaged."""
    from training.cuts.verdicts import ABSTAIN
    from training.detectors import card as detector_card

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / detector_card.CARD_FILE).write_bytes(data)
        try:
            card = detector_card.read_card(Path(name))
        except console.PlainError as error:
            assert error.exit_code == console.EXIT_BAD_MODEL
            assert "train the detector again" in str(error)
            return
        point = card.calibration.point
        assert point.decide(0.5, 0.4, 0.6) in ("generated", "real", ABSTAIN)
        assert 16 <= card.image_size <= 4096 and isinstance(card.image_size, int)
        if None not in point.limits:
            assert 0 <= point.real_below <= point.generated_above <= 1
        assert 0 <= card.calibration.threshold <= 1


DOORS: dict[str, Callable[[bytes], None]] = {
    "image": check_image,
    "manifest": check_manifest_line,
    "card": check_card,
}


@functools.cache
def _get_field_types() -> dict[str, type | tuple[type, ...]]:
    return {
        name: _get_runtime_types(hint)
        for name, hint in typing.get_type_hints(manifest.FaceRecord).items()
    }


def _get_runtime_types(hint: object) -> type | tuple[type, ...]:
    if "dict" in str(hint):
        return dict
    if typing.get_origin(hint) is typing.Literal:
        return str
    return hint if isinstance(hint, type) else typing.get_args(hint)


def make_manifest_row(**changes: object) -> bytes:
    hashes = {"phash": "0" * 16, "phash_mirrored": "f" * 16}
    known = {"width": 9, "seed": 3, "attributes": {"age": "old"}, **hashes}
    record = manifest.FaceRecord(
        id="0" * 64, label="real", source="folder", file="a.png", status="accepted", **known
    )
    return json.dumps(dataclasses.asdict(record) | changes).encode() + b"\n"


def list_seeds(door: str) -> list[bytes]:
    """Return small inputs to start from: good ones and all known traps."""
    return {"image": _make_images, "manifest": _make_rows, "card": _make_cards}[door]()


@functools.cache
def _make_images() -> list[bytes]:
    face = make_image(1, 32)
    plain = [encode_image(face, kind) for kind in (*decode.IMAGE_FORMATS, "AVIF")]
    modes = [encode_image(face.convert(mode)) for mode in ("1", "L", "P", "LA", "RGBA", "I;16")]
    others = [
        encode_image(face, "JPEG", progressive=True, exif=_make_orientation_exif()),
        encode_image(face.convert("CMYK"), "JPEG"),
        encode_image(face, "JPEG", icc_profile=b"no profile at all"),
        encode_image(face.convert("F"), "TIFF"),
        encode_image(face, "TIFF", compression="tiff_lzw"),
        encode_image(face, "WEBP", lossless=True),
        encode_image(face, "PNG", save_all=True, append_images=[make_image(2, 32)]),
        encode_image(face, "GIF"),
        encode_image(face.convert("RGBA"), "AVIF", exif=_make_orientation_exif()),
        encode_image(face, "AVIF", save_all=True, append_images=[make_image(2, 32)]),
        write_heic(),
        write_heic("10 bits", turn(1)),
        write_heif(make_grid_item(2, 1, (128, 64), [2, 2]), make_coded_item("8 bits")),
        write_heif(make_coded_item("8 bits"), make_coded_item("alpha", auxl=[1])),
    ]
    return [*plain, *modes, *others, *make_traps().values()]


def _make_orientation_exif() -> bytes:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


@functools.cache
def make_traps() -> dict[str, bytes]:
    """Return malicious files by name; none is larger than half a megabyte."""
    good, page = encode_image(make_image(1, 32), "JPEG"), b"<html><script>alert(1)</script></html>"
    return {
        "nothing": b"",
        "text": b"a face\n" * 40,
        "page": page,
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "pdf": b"%PDF-1.7\n1 0 obj<<>>endobj\n",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "psd": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 9, 9, 8, 3) + bytes(40),
        "fits": b"SIMPLE  =                    T".ljust(2880),
        "heic": struct.pack(">I", 24) + b"ftypheic" + bytes(40),
        "avif that states less than it holds": make_restated_avif(1, 1),
        "avif that states more than it holds": make_restated_avif(4000, 4000),
        "heic grid of its own": write_heif(make_grid_item(1, 1, (64, 64), [1])),
        "heic of 4,096 tiles": write_heif(
            make_grid_item(64, 64, (4096, 4096), [2] * 4096), make_coded_item("8 bits")
        ),
        "jpeg and page": good + page,
        "jpeg and video": good + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 101,
        "jpeg of markers": good[:2] + b"\xff\xe3\0\2" * 20_000 + good[2:],
        "ppm of comments": b"P3 300 300 255\n" + b"#\n" * 200_000 + b"1 2 3 " * 100,
        "pgm on another scale": b"P5 32 32 100\n" + bytes(range(100)) * 11,
        "bmp with run lengths": make_bmp_with_run_lengths(),
        "page in jpeg": good[:2] + b"\xff\xfe" + struct.pack(">H", len(page) + 2) + page + good[2:],
        "png of 60,000 x 60,000": make_png(60_000, 60_000, b""),
        "png of 4,999 x 4,999, all there": make_png(4999, 4999, bytes(5000 * 4999)),
        "png of nothing": make_png(0, 0, b""),
        "png of one point": make_png(1, 1, b"\0\0"),
        "png strip": make_png(20_000, 1, bytes(20_001)),
        "png with a bomb in its text": make_png(
            8, 8, bytes(72), (b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
        ),
        "png with a bomb in its profile": make_png(
            8, 8, bytes(72), (b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
        ),
        "png that says less than it holds": make_png(8, 8, bytes(10_000_000)),
        "png that says more than it holds": make_png(800, 800, bytes(72)),
    }


def make_restated_avif(width: int, height: int) -> bytes:
    """Return an AVIF whose container states another size than its picture has."""
    data = encode_image(make_image(1, 300), "AVIF")
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def make_bmp_with_run_lengths() -> bytes:
    """Return a BMP whose header says so; its pixels are not."""
    data = encode_image(make_image(1, 32).convert("P"), "BMP")
    return data[:30] + b"\1" + data[31:]


def make_png(width: int, height: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a grey image; `rows` are its uncompressed pixels, each row with its filter byte."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _make_rows() -> list[bytes]:
    texts = [
        "../../etc/passwd",
        "=HYPERLINK(1)",
        "{0.__class__}",
        "\x00",
        "\udce9",
        "ﬁ\u202e",
        "a" * 5000,
    ]
    wrong = [
        {"width": "9"},
        {"width": None},
        {"seed": 1e400},
        {"label": "both"},
        {"attributes": []},
        {"attributes": {"a": 1}},
    ]
    return [
        make_manifest_row(),
        b"{}",
        b"[]",
        b"null",
        b"[" * 5000,
        *(make_manifest_row(file=text) for text in texts),
        *(make_manifest_row(**fields) for fields in wrong),
    ]


def _make_cards() -> list[bytes]:
    wrong = [
        {"image_size": "64"},
        {"image_size": 10**400},
        {"crop": []},
        {"sha256": {"detector.onnx": 5}},
        {"dataset": {}},
    ]
    wrong += [
        {"calibration": make_calibration(threshold=value)}
        for value in ("0.5", None, float("nan"), True)
    ]
    return [
        make_card(),
        b"{}",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"calibration": {}}',
        *(make_card(**fields) for fields in wrong),
    ]


def make_card(**changes: object) -> bytes:
    images = {split: {"real": 9, "generated": 9} for split in ("train", "validation", "hold-out")}
    parts = {
        "name": "toy",
        "created": "2026-01-01T00:00:00+00:00",
        "image_size": 64,
        "canonicaliser": canonical.CANONICALISER_VERSION,
        "dataset": {"folder": "data/faces", "fingerprint": "0" * 64, "images": images},
        "base": {"name": "mobilenet_v2", "origin": "random", "sha256": "", "note": ""},
        "search": {"trials": 4},
        "calibration": make_calibration(),
        "metrics": {"auc": 0.9},
        "baselines": {},
        "parity": 1e-6,
        "sha256": {"detector.keras": "0" * 64, "detector.onnx": "0" * 64},
        "versions": {"keras": "3.15.1"},
    }
    return json.dumps(parts | changes).encode()


def make_calibration(**changes: object) -> dict[str, object]:
    limits = {
        "temperature": 1.0,
        "threshold": 0.5,
        "false_alarms": 0.05,
        "misses": 0.05,
        "false_alarm_cuts": [{"target": 0.05, "limit": 0.6, "groups": 20}],
        "miss_cuts": [{"target": 0.05, "limit": 0.4, "groups": 20}],
        "origin": "folds",
    }
    return limits | changes


def apply_edits(data: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    """Return the bytes after some edits: relative position (0 to 1), name in EDITS, and bytes."""
    edited = bytearray(data)
    for position, edit, operand in edits:
        index = int(position * len(edited))
        if edit == "flip" and edited:
            edited[min(index, len(edited) - 1)] ^= operand[0] or 1
        elif edit == "cut":
            del edited[index:]
        elif edit == "drop":
            del edited[index : index + len(operand)]
        elif edit == "insert":
            edited[index:index] = operand
        elif edit == "repeat":
            edited[index:index] = edited[index : index + 64 * len(operand)]
    return bytes(edited)


EDITS = ("flip", "cut", "drop", "insert", "repeat")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("door", choices=DOORS)
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    import atheris

    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(list_seeds(options.door)):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={options.minutes * 60:.0f}",
            "-timeout=10",
            "-rss_limit_mb=2000",
            "-max_len=20000",
        ]
        atheris.Setup([sys.argv[0], *limits, corpus], DOORS[options.door])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
