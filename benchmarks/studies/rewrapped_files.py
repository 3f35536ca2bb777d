"""Wrap pictures anew and see whether an answer changes: `python -m
benchmarks.studies.rewrapped_files --model MODEL FOLDER...`.

A picture's file is written in each way of WAYS, all of which leave the pixels alone, and judged
again. A file that decodes to other pixels than the original is no new wrapping: it is left out and
counted. The command ends with code 1 if an answer or a probability changed.
"""

import io
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image, ImageOps

from benchmarks.studies.judgement_qualities import list_images
from data_collection.images import decode, errors
from data_collection.images.colour import convert_to_srgb
from detection import network
from detection.detections import Detection
from detection.predictor import Detector
from runtime import console

ORIENTATION_TAG, MAKER_TAG, DATE_TAG = 0x0112, 0x010F, 0x0132
COMMENT = b"Comment\0my holiday"
XMP_URI, XMP_CHUNK_HEAD = b"http://ns.adobe.com/xap/1.0/\0", b"XML:com.adobe.xmp\0\0\0\0\0"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>trainedAlgorithmicMedia</a></x:xmpmeta>'
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_METADATA = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME")
DATA_CHUNK_BYTES = 1000


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Wrap pictures anew and see whether an answer changes."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of images."""

    model: Path
    """Folder of a saved detector."""

    images: int = 30
    """Images of each folder, the first by name."""


def split_jpeg(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the segments before the pixels, each with its marker, and the rest of the file."""
    segments, start = [], 2
    while data[start + 1] != 0xDA:
        stop = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        segments.append(data[start:stop])
        start = stop
    return segments, data[start:]


def make_jpeg_segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def split_png(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return name and content of every chunk."""
    chunks, start = [], len(PNG_SIGNATURE)
    while start + 8 <= len(data):
        stop = start + 8 + int.from_bytes(data[start : start + 4], "big")
        chunks.append((data[start + 4 : start + 8], data[start + 8 : stop]))
        start = stop + 4
    return chunks


def join_png(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    parts = [PNG_SIGNATURE]
    for name, content in chunks:
        checksum = zlib.crc32(name + content).to_bytes(4, "big")
        parts += [len(content).to_bytes(4, "big"), name, content, checksum]
    return b"".join(parts)


def insert(data: bytes, marker: int, segment: bytes, chunk: tuple[bytes, bytes]) -> bytes:
    """Insert a segment behind the first of a JPEG, or a chunk behind the first of a PNG.

    Raises:
        UnreadableImage: it is neither.
    """
    if data.startswith(b"\xff\xd8"):
        (first, *others), rest = split_jpeg(data)
        return b"".join([data[:2], first, make_jpeg_segment(marker, segment), *others, rest])
    if data.startswith(PNG_SIGNATURE):
        first, *others = split_png(data)
        return join_png([first, chunk, *others])
    raise errors.UnreadableImage("neither JPEG nor PNG")


def add_comment(data: bytes) -> bytes:
    return insert(data, 0xFE, COMMENT, (b"tEXt", COMMENT))


def change_exif(data: bytes) -> bytes:
    """Exchange EXIF for that of another camera, or add it; the orientation stays."""
    exif = Image.Exif()
    exif[MAKER_TAG], exif[DATE_TAG] = "Another camera", "2001:02:03 04:05:06"
    with Image.open(io.BytesIO(data)) as image:
        if orientation := image.getexif().get(ORIENTATION_TAG):
            exif[ORIENTATION_TAG] = orientation
    content = exif.tobytes()
    return insert(
        remove_metadata(data), 0xE1, content, (b"eXIf", content.removeprefix(b"Exif\0\0"))
    )


def add_xmp(data: bytes) -> bytes:
    """Add XMP that says that an algorithm made the picture."""
    return insert(data, 0xE1, XMP_URI + XMP, (b"iTXt", XMP_CHUNK_HEAD + XMP))


def remove_metadata(data: bytes) -> bytes:
    """Take out EXIF, XMP, comments and what cameras add, not what says how colours are stored."""
    if data.startswith(b"\xff\xd8"):
        segments, rest = split_jpeg(data)
        # APP0 is JFIF, APP2 the colour profile, APP14 says whether colours are transformed.
        metadata = {0xFE, *range(0xE1, 0xF0)} - {0xE2, 0xEE}
        return b"".join([data[:2], *(s for s in segments if s[1] not in metadata), rest])
    if data.startswith(PNG_SIGNATURE):
        return join_png([chunk for chunk in split_png(data) if chunk[0] not in PNG_METADATA])
    raise errors.UnreadableImage("neither JPEG nor PNG")


def append_bytes(data: bytes) -> bytes:
    return data + bytes(range(256))


def save_as(format: str, **options) -> Callable[[bytes], bytes]:
    """Return a function that stores the decoded pixels without loss."""

    def save(data: bytes) -> bytes:
        with Image.open(io.BytesIO(data)) as image:
            upright = convert_to_srgb(image)
        ImageOps.exif_transpose(upright, in_place=True)
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(upright)).save(buffer, format, **options)
        return buffer.getvalue()

    return save


def save_as_png_of_many_chunks(data: bytes) -> bytes:
    """Store the decoded pixels as PNG in chunks of 1 kB, the comment behind them."""
    chunks = split_png(save_as("PNG")(data))
    stored = b"".join(content for name, content in chunks if name == b"IDAT")
    parts = [
        (b"IDAT", stored[start : start + DATA_CHUNK_BYTES])
        for start in range(0, len(stored), DATA_CHUNK_BYTES)
    ]
    before = [chunk for chunk in chunks if chunk[0] not in (b"IDAT", b"IEND")]
    return join_png([*before, *parts, (b"tEXt", COMMENT), (b"IEND", b"")])


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "comment added": add_comment,
    "EXIF added or changed": change_exif,
    "XMP added": add_xmp,
    "metadata removed": remove_metadata,
    "bytes appended": append_bytes,
    "PNG, not compressed": save_as("PNG", compress_level=0),
    "PNG, compressed most": save_as("PNG", compress_level=9),
    "PNG in many chunks": save_as_png_of_many_chunks,
    "WebP without loss": save_as("WEBP", lossless=True, method=0),
    "BMP": save_as("BMP"),
    "TIFF": save_as("TIFF"),
    "TIFF, LZW": save_as("TIFF", compression="tiff_lzw"),
}


@dataclass
class Tally:
    """Answers to the files of one way.

    Attributes:
        files: files that were judged.
        other_pixels: files left out, because they decode to other pixels or cannot be made so.
        changed: answers that differ from those to the originals.
        difference: the largest difference of probability.
    """

    files: int = 0
    other_pixels: int = 0
    changed: int = 0
    difference: float = 0.0

    def add(self, before: Detection, after: Detection) -> None:
        self.files += 1
        self.changed += (before.verdict, before.error) != (after.verdict, after.error)
        if before.probability is not None and after.probability is not None:
            change = abs(before.probability - after.probability)
            self.difference = max(self.difference, change)


def main() -> int:
    settings = tyro.cli(StudySettings, prog="python -m benchmarks.studies.rewrapped_files")
    detector = Detector.load(settings.model)
    model = network.read_network(detector.folder, detector.card)
    run = network.open_network(detector.folder, model, threads=1)

    def judge(data: bytes) -> Detection:
        return detector.detect_batch([detector.decode_image(data, Path("picture"))], run)[0]

    paths = [path for folder in settings.folders for path in list_images(folder, settings.images)]
    tallies = {name: Tally() for name in WAYS}
    answers = []
    for path in console.track_progress(paths, "pictures", len(paths)):
        before = compare_wrappings(path.read_bytes(), judge, tallies)
        answers.append(before.verdict or "not judged")
    print_tallies(answers, tallies)
    return int(any(tally.changed or tally.difference for tally in tallies.values()))


def compare_wrappings(
    data: bytes, judge: Callable[[bytes], Detection], tallies: dict[str, Tally]
) -> Detection:
    """Judge a file and all its wrappings; return the answer to the file."""
    before, pixels = judge(data), _read_pixels(data)
    for name, wrap in WAYS.items():
        try:
            wrapped = wrap(data)
            is_same = _read_pixels(wrapped) == pixels
        except errors.UnreadableImage:
            is_same = False
        if is_same:
            tallies[name].add(before, judge(wrapped))
        else:
            tallies[name].other_pixels += 1
    return before


def _read_pixels(data: bytes) -> bytes:
    square = decode.decode_face(data).square
    return np.asarray(square).tobytes()


def print_tallies(answers: Sequence[str], tallies: dict[str, Tally]) -> None:
    counts = ", ".join(f"{answers.count(answer)} {answer}" for answer in sorted(set(answers)))
    console.print_table(
        f"{len(answers)} pictures ({counts}), wrapped anew",
        ("way", "files", "left out", "answers changed", "largest difference of probability"),
        [
            [name, tally.files, tally.other_pixels, tally.changed, f"{tally.difference:.2g}"]
            for name, tally in tallies.items()
        ],
    )
    changed = sum(tally.changed for tally in tallies.values())
    files = sum(tally.files for tally in tallies.values())
    console.print_message(f"{changed} of {files} answers changed.")


if __name__ == "__main__":
    console.run_command(main)
