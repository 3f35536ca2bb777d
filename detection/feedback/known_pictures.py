"""Find out whether a picture is in a data set of this computer: the same file, or nearly."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from data_collection.dataset import manifest, near_duplicates
from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.stored_datasets import location

SPLIT_WORDS = {
    "train": "a training image",
    "validation": "an image of the validation split",
    "hold-out": "a hold-out image",
}

CONSEQUENCES = {
    "train": "no detector trained there is tested on it",
    "validation": "no detector trained there is tested on it",
    "hold-out": "reports on that hold-out score it there, too",
}


@dataclass
class KnownPictures:
    """The accepted images of all data sets in a folder, read at the first question.

    Attributes:
        data: folder of all data sets.
    """

    data: Path
    _datasets: list[tuple[Path, list[FaceRecord]]] | None = None

    def describe_matches(
        self, sha256: str, square: Image.Image | None, truth: ImageClass
    ) -> Iterator[str]:
        """Yield what a picture is in each data set that has it, in a clause.

        Args:
            square: the judged square, by which near-duplicates are found; cropped copies are not.
        """
        if self._datasets is None:
            self._datasets = [
                (self.data / name, _read_accepted(self.data / name))
                for name in location.list_dataset_names(self.data)
            ]
        picture = _compute_fingerprint(sha256, square)
        for folder, records in self._datasets:
            same = next((record for record in records if record.id == sha256), None)
            match = same or _find_near_duplicate(picture, records)
            if match:
                yield _describe_match(folder, match, "is" if same else "is nearly", truth)


def _read_accepted(folder: Path) -> list[FaceRecord]:
    return [record for record in manifest.read_manifest(folder) if record.accepted]


def _compute_fingerprint(sha256: str, square: Image.Image | None) -> FaceRecord | None:
    """Return a row with perceptual hashes; None where the package for them is not installed, as
    with judging alone."""
    if square is None or importlib.util.find_spec("imagehash") is None:
        return None
    return FaceRecord(
        id=sha256,
        label="real",
        source="",
        file="",
        status="accepted",
        **near_duplicates.compute_fingerprints(square),
    )


def _find_near_duplicate(
    picture: FaceRecord | None, records: list[FaceRecord]
) -> FaceRecord | None:
    pairs = near_duplicates.find_close_hashes([picture], records) if picture else ()
    return records[pairs[0][1]] if len(pairs) else None


def _describe_match(folder: Path, match: FaceRecord, verb: str, truth: ImageClass) -> str:
    place = SPLIT_WORDS.get(match.split, "an image")
    clause = f"{verb} {place} of {folder}, labelled {match.label} there"
    if match.split in CONSEQUENCES:
        clause += f": {CONSEQUENCES[match.split]}"
    if match.label == truth:
        return f"{clause}."
    return (
        f"{clause}. If that label is wrong: python -m data_collection correct {folder} "
        f'{match.id[:12]} --label {truth} --because "..."'
    )
