"""Generate one image of a data set again from its row, and compare it with the stored one."""

from pathlib import Path

import numpy as np

from data_collection.dataset import manifest, stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from data_collection.sources import (
    inpainting,
    matched_reconstruction,
    reconstruction,
    self_blend,
    stable_diffusion,
)
from runtime import atomic_files, console


def regenerate_image(folder: Path, file: str, out: Path) -> None:
    """Write the image to `out` and print how far it is from the original.

    Raises:
        PlainError: there is no such image, or it cannot be generated again.
    """
    records = manifest.read_manifest(folder)
    record = _find_record(records, file, folder)
    data = _regenerate_bytes(record, records, folder)
    atomic_files.write_atomically(out, data)
    stored, regenerated = (
        np.asarray(decode.decode_face(image).square, dtype=int)
        for image in (stored_images.read_original(folder, record), data)
    )
    console.print_message(
        f"{out} is {record.file}, generated again; its pixels differ by at most "
        f"{np.abs(stored - regenerated).max()} grey levels."
    )


def _regenerate_bytes(record: FaceRecord, records: list[FaceRecord], folder: Path) -> bytes:
    photograph = next(
        (row for row in records if row.id == record.source_image and row.original), None
    )
    if photograph is None:
        return stable_diffusion.regenerate_from_prompt(record)
    original = stored_images.read_original(folder, photograph)
    if record.generator == self_blend.GENERATOR_NAME:
        return self_blend.blend_photograph(original, record.crop, record.seed)
    if "part" in record.drawn_with:
        return inpainting.regenerate_inpainting(record, original)
    reconstructed = reconstruction.regenerate_reconstruction(record, original)
    if "spectrum" in record.drawn_with:
        return matched_reconstruction.match_photograph(reconstructed, original)
    return reconstructed


def _find_record(records: list[FaceRecord], file: str, folder: Path) -> FaceRecord:
    matches = [
        record
        for record in records
        if record.accepted and (record.file == file or record.id.startswith(file))
    ]
    if len(matches) != 1:
        raise console.PlainError(
            f"{len(matches) or 'No'} accepted images of {folder} are called {file}; give a "
            "`file` of manifest.jsonl or, if several images have the same, the beginning of an "
            "`id`."
        )
    return matches[0]
