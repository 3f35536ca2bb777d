"""Rows of the page: each is written to a temporary file as soon as it is known, so that only its
rank is in memory, and read back with the most suspicious one first."""

import base64
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from detection.decision import SUSPICION
from detection.detections import Detection, FaceDetection
from detection.image_paths import ImageListing
from detection.output.csv_rows import CSV_COLUMNS, build_csv_row
from detection.output.faces import describe_box
from runtime import console, html_pages
from training.cuts.statement import DetectorStatement
from training.cuts.verdicts import NOT_JUDGED, VERDICTS

BASE64_BLOCK_BYTES = 3
"""Bytes that are encoded together; text encoded in multiples of them can be joined."""


class SpooledRow(NamedTuple):
    """Rank of a row, and where it lies; rows sort with the most suspicious one first.

    Attributes:
        verdict: rank of its verdict; images without one come last.
        improbability: negative probability of *generated*.
        number: of the image in the run.
    """

    verdict: int
    improbability: float
    number: int
    start: int
    html_bytes: int
    csv_bytes: int


class RowSpool:
    """The rows of a page on disk.

    Args:
        file: an empty one that can be read, too.
        statement: on images of one face.
    """

    def __init__(self, file: BinaryIO, listing: ImageListing, statement: DetectorStatement):
        self._file, self._listing, self._statement = file, listing, statement
        self._template = html_pages.load_template(Path(__file__).parent, "row.html.jinja")
        self._rows: list[SpooledRow] = []

    def add(self, detection: Detection, thumbnail: str) -> None:
        """Write the row of an image.

        Args:
            thumbnail: a JPEG in base64; empty if there is none.
        """
        name = name_image(detection.path, self._listing)
        html = self._render(detection, name, thumbnail).encode()
        line = _encode_csv_line(build_csv_row(replace(detection, path=name), self._statement))
        start = self._file.seek(0, io.SEEK_END)
        self._file.write(html + line)
        self._rows.append(
            SpooledRow(*rank(detection), len(self._rows), start, len(html), len(line))
        )

    def _render(self, detection: Detection, name: Path, thumbnail: str) -> str:
        faces = detection.faces or ()
        several = faces if len(faces) + detection.passed_over > 1 and detection.verdict else ()
        notes = [
            *filter(None, [detection.error]),
            *([detection.generator.describe()] if detection.generator else []),
            *detection.warnings,
            *(_describe_face(number, face) for number, face in enumerate(several, 1)),
            *(f"{claim.kind}: {claim.text}" for claim in detection.claims),
        ]
        return self._template.render(
            verdict=detection.verdict or NOT_JUDGED,
            tone=VERDICTS[detection.verdict].tone if detection.verdict else "none",
            probability=describe_probability(detection),
            name=console.sanitise_line(str(name)),
            notes=list(map(console.sanitise_line, notes)),
            thumbnail=thumbnail,
        )

    def iterate_html(self) -> Iterator[str]:
        """Yield the rows of the table, the most suspicious image first."""
        for row in sorted(self._rows):
            yield self._read(row.start, row.html_bytes).decode()

    def iterate_csv(self) -> Iterator[str]:
        """Yield a CSV file of the same rows in pieces, in base64."""
        return _encode_base64(self._iterate_csv_lines())

    def _iterate_csv_lines(self) -> Iterator[bytes]:
        yield _encode_csv_line(dict(zip(CSV_COLUMNS, CSV_COLUMNS, strict=True)))
        for row in sorted(self._rows):
            yield self._read(row.start + row.html_bytes, row.csv_bytes)

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)


def rank(detection: Detection) -> tuple[int, float]:
    """Return what an image is sorted by: its verdict, then its probability."""
    if not detection.verdict:
        return len(SUSPICION), 0.0
    return len(SUSPICION) - 1 - SUSPICION.index(detection.verdict), -detection.probability


def name_image(path: Path, listing: ImageListing) -> Path:
    """Return the path of an image below the common folder; the page, which may be handed on, does
    not show what lies above it."""
    return Path(path.name) if listing.total == 1 else listing.shorten(path)


def describe_probability(detection: Detection) -> str:
    """Return the probability with its spread where that can be seen; empty if the image was not
    judged."""
    if detection.probability is None:
        return ""
    text, low, high = map(
        format_probability, (detection.probability, detection.low, detection.high)
    )
    spread = f" ({low} to {high} by JPEG quality)" if low != high else ""
    if detection.at_prevalence is not None:
        spread += f"; at the prevalence: {format_probability(detection.at_prevalence)}"
    return text + spread


def _describe_face(number: int, face: FaceDetection) -> str:
    probability = format_probability(face.probability)
    return f"face {number}: {face.verdict} {probability}, {describe_box(face.box)}"


def format_probability(probability: float) -> str:
    """Return a probability with three digits, never rounded to 0 or 1."""
    if probability >= 0.9995:
        return "over 0.999"
    return f"{probability:.3f}" if probability >= 0.0005 else "under 0.001"


def _encode_csv_line(cells: dict[str, str]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.DictWriter(buffer, CSV_COLUMNS, lineterminator="\r\n").writerow(cells)
    # file names need not be text
    return buffer.getvalue().encode(errors="surrogateescape")


def _encode_base64(parts: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for part in parts:
        rest += part
        size = len(rest) // BASE64_BLOCK_BYTES * BASE64_BLOCK_BYTES
        yield base64.b64encode(rest[:size]).decode()
        rest = rest[size:]
    yield base64.b64encode(rest).decode()
