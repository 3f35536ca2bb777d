"""Rows of pictures that came back."""

from pathlib import Path

from runtime import hashing
from validation.regression_set.stored_pictures import RegressionSet, StoredPicture


def make_row(data: bytes, truth: str = "real", **facts: object) -> StoredPicture:
    """Return a row of a picture that a detector called the other label."""
    defaults = {
        "kind": "",
        "note": "",
        "name": "photo.png",
        "without_face": False,
        "added": "2026-01-02T03:04:05+00:00",
        "detector": "an old one",
        "detector_sha256": "0" * 64,
        "verdict": {"real": "generated", "generated": "real"}[truth],
        "probability": 0.5,
    }
    return StoredPicture(sha256=hashing.hash_bytes(data), truth=truth, **(defaults | facts))


def keep(folder: Path, data: bytes, truth: str = "real", **facts: object) -> StoredPicture:
    """Keep a picture of a judged toy, which shows no face unless the facts say so."""
    row = make_row(data, truth, **{"without_face": True, **facts})
    assert RegressionSet(folder).add(row, data) is None
    return row
