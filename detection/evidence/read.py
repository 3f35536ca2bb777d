"""Read a page of evidence, which may come from anybody: nothing of it is run, shown or followed."""

from dataclasses import dataclass
from pathlib import Path

from data_collection.source_types import UnavailableImage
from data_collection.sources import local_folder
from detection.evidence.drawing import PNG_MARK
from detection.evidence.page import RECORD_END, RECORD_START, compute_layout_hash
from detection.evidence.record import EvidenceRecord, convert_to_record, encode_canonical_json
from runtime import checked_json, console, hashing

EXIT_DOES_NOT_HOLD = 1
"""A page does not hold, or could not be checked whole."""

MAX_PAGE_BYTES = 2_000_000
"""A page has 60 kB, or 200 kB with many claims."""


@dataclass(frozen=True, kw_only=True)
class EvidencePage:
    """A page as it was read.

    Attributes:
        html: everything that it shows, up to the record.
        record_sha256, shown_sha256: hashes of the record and of what is shown, according to it.
        has_first_record: whether the record has the hash that the page says.
    """

    data: bytes
    html: str
    record: EvidenceRecord
    record_sha256: str
    shown_sha256: str
    has_first_record: bool

    @property
    def has_first_text(self) -> bool:
        """Whether what is shown has the hash that the page says."""
        return hashing.hash_bytes(self.html.encode()) == self.shown_sha256


def read_page(path: Path) -> EvidencePage:
    """Read a page.

    Raises:
        PlainError: it cannot be read, is too large, no page of evidence, or not a whole one.
    """
    data = _read_bytes(path)
    if PNG_MARK in data[:200]:
        raise console.PlainError(
            f"{path} is a picture of evidence, which cannot be checked. Ask for the .html page."
        )
    html, start, rest = data.partition(RECORD_START.encode())
    if not start:
        raise console.PlainError(
            f"{path} is not a page of evidence. Name the .html file that --evidence has written."
        )
    block, end, _ = rest.partition(RECORD_END.encode())
    try:
        if not end:
            raise ValueError
        return _parse_page(path, data, html, block)
    except (ValueError, KeyError, TypeError, OverflowError):
        raise console.PlainError(
            f"{path} is damaged: it is cut off, or its record was altered so that it is none. Ask "
            "for it again.",
            console.EXIT_DISK,
        ) from None


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_PAGE_BYTES:
            raise console.PlainError(
                f"{path} is larger than any page of evidence "
                f"({MAX_PAGE_BYTES // 1_000_000} MB), and was not read."
            )
        return local_folder.read_regular_file(path, follow_links=True)
    except UnavailableImage as error:
        raise console.PlainError(f"{path} cannot be read: {error}.") from None
    except OSError as error:
        raise console.PlainError(f"{path} cannot be read: {error.strerror}.") from None


def _parse_page(path: Path, data: bytes, html: bytes, block: bytes) -> EvidencePage:
    """Raises ValueError, KeyError or TypeError for what is no record."""
    content = checked_json.parse_json(block)
    if set(content) != {"record", "record_sha256", "shown_sha256"}:
        raise ValueError
    found_sha256 = hashing.hash_bytes(encode_canonical_json(content["record"]).encode())
    try:
        record = convert_to_record(content["record"])
    except ValueError:
        if content["record"]["layout"] == compute_layout_hash():
            raise
        if found_sha256 != content["record_sha256"]:
            raise
        version = console.sanitise_line(str(content["record"]["versions"]["Telltale"])[:20])
        raise console.PlainError(
            f"{path} was written by Telltale {version}, whose pages this version does not read. "
            "Check it with that one.",
            EXIT_DOES_NOT_HOLD,
        ) from None
    return EvidencePage(
        data=data,
        html=html.decode(),
        record=record,
        record_sha256=str(content["record_sha256"]),
        shown_sha256=str(content["shown_sha256"]),
        has_first_record=found_sha256 == content["record_sha256"],
    )
