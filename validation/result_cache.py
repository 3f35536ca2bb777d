"""Cache finished chunks of long steps on disk, so that an interrupted validation can resume."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from runtime import atomic_files, console, npz_files

ArraysByName = dict[str, np.ndarray]

RESULT_CACHE_FOLDER = "cache"
"""Folder beside a detector that holds finished chunks."""


def load_or_compute(
    folder: Path, name: str, key: Sequence, compute: Callable[[], ArraysByName]
) -> ArraysByName:
    """Load arrays from `<folder>/<name>-<hash of key>.npz`, or compute and save them.

    Args:
        name: beginning of the file name.
        key: everything that determines the arrays, JSON serialisable.

    Raises:
        TypeError: the key is not JSON serialisable.
        ValueError: an array holds Python objects, which are never read back.
    """
    digest = hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:16]
    path = folder / f"{name}-{digest}.npz"
    arrays = _load_npz(path)
    if arrays is None:
        arrays = {array_name: np.asarray(array) for array_name, array in compute().items()}
        atomic_files.write_atomically(path, _encode_npz(arrays))
    return arrays


def _encode_npz(arrays: ArraysByName) -> bytes:
    buffer = io.BytesIO()
    # numpy.savez cannot save an array called "file".
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _load_npz(path: Path) -> ArraysByName | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return npz_files.parse_npz(data)
    except ValueError:
        console.print_warning(f"{path} is damaged. Computing it again.")
        return None


def compute_in_chunks(
    items: Sequence, size: int, description: str, process: Callable[[Sequence], ArraysByName]
) -> ArraysByName:
    """Process `items` in chunks under a progress bar; concatenate the results."""
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    results = [process(chunk) for chunk in console.track_progress(chunks, description, len(chunks))]
    return {name: np.concatenate([arrays[name] for arrays in results]) for name in results[0]}
