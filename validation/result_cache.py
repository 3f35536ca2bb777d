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
    folder: Path, name: str, key: Sequence, make: Callable[[], ArraysByName]
) -> ArraysByName:
    """Load arrays from `<folder>/<name>-<hash of key>.npz`, or compute them with `make` and save
    them there.

    Args:
        name: beginning of the file name.
        key: everything that determines them, JSON serialisable.

    Raises:
        TypeError: the key is not JSON serialisable.
        ValueError: an array holds Python objects, which are never read back.
    """
    digest = hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:16]
    path = folder / f"{name}-{digest}.npz"
    found = _load_npz(path)
    if found is None:
        found = {each: np.asarray(array) for each, array in make().items()}
        atomic_files.write_atomically(path, _encode_npz(found))
    return found


def _encode_npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w"
    ) as archive:  # numpy.savez has no room for an array called "file"
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getvalue()


def _load_npz(path: Path) -> dict[str, np.ndarray] | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return npz_files.parse_npz(data)
    except ValueError:
        console.print_warning(f"{path} is damaged; computing it again.")
        return None


def compute_in_chunks(
    items: Sequence, size: int, what: str, work: Callable[[Sequence], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Process `items` in chunks under a progress bar labelled `what`; concatenate the results."""
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    found = [work(chunk) for chunk in console.track_progress(chunks, what, len(chunks))]
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}
