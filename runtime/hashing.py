"""SHA-256 of files and of bytes, in hexadecimal."""

import hashlib
from pathlib import Path


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
