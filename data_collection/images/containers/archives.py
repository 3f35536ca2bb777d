"""Recognise archives by their first bytes: people give them where images are expected."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArchiveKind:
    """A kind of archive.

    Attributes:
        name: with its article.
        signature: bytes at `offset`.
        unpack: command that unpacks it; Python's own where there is one.
    """

    name: str
    signature: bytes
    unpack: str
    offset: int = 0


ARCHIVE_KINDS = (
    ArchiveKind("a ZIP archive", b"PK\x03\x04", "python -m zipfile -e FILE FOLDER"),
    ArchiveKind("an empty ZIP archive", b"PK\x05\x06", "python -m zipfile -e FILE FOLDER"),
    ArchiveKind("a 7z archive", b"7z\xbc\xaf\x27\x1c", "7z x FILE"),
    ArchiveKind("a RAR archive", b"Rar!\x1a\x07", "unrar x FILE"),
    ArchiveKind("a gzip archive", b"\x1f\x8b\x08", "tar -xzf FILE"),
    ArchiveKind("a bzip2 archive", b"BZh", "tar -xjf FILE"),
    ArchiveKind("an xz archive", b"\xfd7zXZ\0", "tar -xJf FILE"),
    ArchiveKind("a Zstandard archive", b"\x28\xb5\x2f\xfd", "tar --zstd -xf FILE"),
    ArchiveKind("a tar archive", b"ustar", "python -m tarfile -e FILE FOLDER", 257),
)


def explain_archive(head: bytes) -> str:
    """Return that a file with these first bytes is an archive, and how to unpack it; else ""."""
    for kind in ARCHIVE_KINDS:
        if head.startswith(kind.signature, kind.offset):
            return f"{kind.name}, not an image; unpack it ({kind.unpack}) and give the folder"
    return ""
