"""regenerate_image(): generate one image of a data set again from its row in the manifest, and
compare it with the stored one."""

from pathlib import Path

import numpy as np

from data_collection.dataset import manifest, stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from data_collection.sources import reconstruction, stable_diffusion
from runtime import atomic_files, console


def regenerate_image(folder: Path, file: str, out: Path) -> None:
    """Write the image to `out` and print how far it is from the original.

    Raises:
        PlainError: no such image, or none that can be drawn again.
    """
    records = manifest.read_manifest(folder)
    record = _find_record(records, file, folder)
    data = _regenerate_bytes(record, records, folder)
    atomic_files.write_atomically(out, data)
    kept, again = (
        np.asarray(decode.decode_face(one).square, dtype=int)
        for one in (stored_images.read_original(folder, record), data)
    )
    console.print_message(
        f"{out} is {record.file} drawn again; its pixels differ by {np.abs(kept - again).max()} "
        "grey levels at most."
    )


def _regenerate_bytes(record: FaceRecord, records: list[FaceRecord], folder: Path) -> bytes:
    photograph = next(
        (one for one in records if one.id == record.source_image and one.original), None
    )
    if photograph is None:
        return stable_diffusion.regenerate_from_prompt(record)
    return reconstruction.regenerate_reconstruction(
        record, stored_images.read_original(folder, photograph)
    )


def _find_record(records: list[FaceRecord], file: str, folder: Path) -> FaceRecord:
    fitting = [
        record
        for record in records
        if record.accepted and (record.file == file or record.id.startswith(file))
    ]
    if len(fitting) != 1:
        raise console.PlainError(
            f"{len(fitting) or 'No'} accepted images of {folder} are called {file}; give a "
            "`file`, or the beginning of an `id` "
            "where several have one name, as in manifest.jsonl."
        )
    return fitting[0]
