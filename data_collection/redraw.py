"""redraw(): draws one image of a data set again, alone, from its row in the manifest, and compares it with the one kept."""

from pathlib import Path

import numpy as np

from data_collection import console, face_images, manifest, reconstruction, stable_diffusion
from data_collection.manifest import FaceRecord


def redraw(folder: Path, file: str, out: Path) -> None:
    """Writes the picture to `out` and says how far it is from the original.

    Raises:
        PlainError: no such image, or none that can be drawn again.
    """
    records = manifest.read(folder)
    record = _find(records, file, folder)
    data = _drawn(record, records, folder)
    manifest.write_whole(out, data)
    kept, again = (
        np.asarray(face_images.decode(one).square, dtype=int) for one in (manifest.read_original(folder, record), data)
    )
    console.say(f"{out} is {record.file} drawn again; its pixels differ by {np.abs(kept - again).max()} grey levels at most.")


def _drawn(record: FaceRecord, records: list[FaceRecord], folder: Path) -> bytes:
    photograph = next((one for one in records if one.id == record.source_image and one.original), None)
    if photograph is None:
        return stable_diffusion.redraw(record)
    return reconstruction.redraw(record, manifest.read_original(folder, photograph))


def _find(records: list[FaceRecord], file: str, folder: Path) -> FaceRecord:
    fitting = [record for record in records if record.accepted and (record.file == file or record.id.startswith(file))]
    if len(fitting) != 1:
        raise console.PlainError(
            f"{len(fitting) or 'No'} accepted images of {folder} are called {file}; give a `file`, or the beginning of an `id` "
            "where several have one name, as in manifest.jsonl."
        )
    return fitting[0]
