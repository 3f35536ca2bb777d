"""SHA-256 of files and of bytes."""

import hashlib
from pathlib import Path


def compute_file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(data: bytes) -> str:
    """The name of an original: sha256 of its bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
