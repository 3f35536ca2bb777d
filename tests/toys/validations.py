"""Images for validations of the toy, and what a validation leaves."""

import json

from data_collection.dataset import splits
from toys.images import encode_image, make_image

QUICK = ("--distorted", 0, "--explained", 0)


def new_faces(folder, real: int = 6, generated: int = 6, first: int = 500):
    """Write images that are not in the toy data set, in subfolders that give their class."""
    for name, count in (("real", real), ("fake", generated)):
        for number in range(count):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                encode_image(
                    make_image(first + number + 10_000 * (name == "fake"), generated=name == "fake")
                )
            )
    return folder


def read_report(workspace, report: str = "report") -> tuple[str, dict]:
    """Return page and metrics of the report of the hold-out, or of the one named `report-...`."""
    folder = workspace / "saved_models" / "toy" / report
    (folder,) = [folder] if folder.is_dir() else folder.parent.glob(f"{report}-*")
    return (folder / "index.html").read_text(), json.loads((folder / "metrics.json").read_text())


def list_openings(workspace) -> list[str]:
    return [
        entry["model"] for entry in splits.read_splits(workspace / "data" / "faces").hold_out_opened
    ]
