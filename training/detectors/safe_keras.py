"""Open a .keras file with Keras only after every part of it has been checked.

Keras' safe_mode is no sandbox: it looks names up and calls them, and it builds whatever a config
asks for.
"""

import concurrent.futures
import contextlib
import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import checked_json, console
from training.detectors import allowed_layers

if TYPE_CHECKING:
    import keras

CONFIG_MEMBER, WEIGHTS_MEMBER = "config.json", "model.weights.h5"
MAX_MEMBER_BYTES = {
    "metadata.json": 100_000,
    CONFIG_MEMBER: 5_000_000,
    WEIGHTS_MEMBER: 1_000_000_000,
}
"""The only members of the archive, with their maximal sizes. Telltale's largest config has half a
million bytes."""


class UnsafeModelError(Exception):
    """The reason why a file is not opened, as the end of a sentence that begins with its name."""


def load_keras_model(path: Path) -> "keras.Model":
    """Open a detector or a baseline that Keras saved, uncompiled.

    Raises:
        PlainError: it is damaged, or contains anything that Telltale's models do not. Nothing in it
            was executed.
    """
    with _report_unsafe_model(path):
        config, n_values = _inspect_archive(path)
        _check_weight_count(config, n_values)
        return _open_checked_model(path)


@contextlib.contextmanager
def _report_unsafe_model(path: Path) -> Iterator[None]:
    try:
        yield
    except UnsafeModelError as error:
        raise console.PlainError(
            f"{path} {error}. It was not opened. Restore it, or train the detector again.",
            console.EXIT_BAD_MODEL,
        ) from None


def _inspect_archive(path: Path) -> tuple[Any, int]:
    """Check every member; return the parsed config and the number of weights."""
    if not path.is_file():
        raise UnsafeModelError("is missing")
    if not zipfile.is_zipfile(path):
        raise UnsafeModelError("is not a .keras archive, or is truncated")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            contents = {name: archive.read(name) for name in MAX_MEMBER_BYTES}
        parsed = {
            name: checked_json.parse_json(contents[name])
            for name in MAX_MEMBER_BYTES
            if name.endswith(".json")
        }
        if fault := allowed_layers.find_config_fault(parsed[CONFIG_MEMBER]):
            raise UnsafeModelError(fault)
        return parsed[CONFIG_MEMBER], _count_weight_values(contents[WEIGHTS_MEMBER])
    except UnsafeModelError:
        raise
    # For damaged bytes zipfile, json and h5py raise all kinds of errors, SystemError included.
    except Exception as error:
        raise UnsafeModelError(f"is damaged ({' '.join(str(error).split())[:100]})") from None


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.orig_filename for member in members]
    faulty = sorted(
        {name for name in names if name not in MAX_MEMBER_BYTES or names.count(name) > 1}
        | MAX_MEMBER_BYTES.keys() - set(names)
    )
    if faulty:
        raise UnsafeModelError(
            f"must contain {', '.join(MAX_MEMBER_BYTES)} once each and nothing else, but "
            f"{faulty[0][:80]} is missing, repeated or unknown"
        )
    for member in members:
        # Keras stores its members uncompressed, so the size of the file limits the declared sizes.
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise UnsafeModelError(
                f"has a compressed {member.filename}, which Keras does not write"
            )
        if member.file_size > MAX_MEMBER_BYTES[member.filename]:
            raise UnsafeModelError(f"has a {member.filename} of {member.file_size / 1e6:,.0f} MB")


def _count_weight_values(weights: bytes) -> int:
    """Return how many numbers an HDF5 file holds; all must be finite and in the file itself."""
    import h5py

    with h5py.File(io.BytesIO(weights)) as file:
        links: dict[str, Any] = {}
        # Follows no link out of the file, and no circle twice.
        file.visititems_links(links.__setitem__)
        return sum(
            _count_dataset_values(file, name, link, len(weights)) for name, link in links.items()
        )


def _count_dataset_values(file, name: str, link: Any, file_bytes: int) -> int:
    import h5py
    import numpy as np

    if not isinstance(link, h5py.HardLink):
        raise UnsafeModelError(f"has weights that link elsewhere ({name[:80]})")
    part = file[name]
    if isinstance(part, h5py.Group):
        return 0
    if not isinstance(part, h5py.Dataset) or part.shape is None or part.dtype.kind not in "fiu":
        raise UnsafeModelError(f"has weights that are not numbers ({name[:80]})")
    if part.external or part.is_virtual:
        raise UnsafeModelError(f"has weights that lie in another file ({name[:80]})")
    # Compressed or unwritten values store fewer bytes than declared; a truncated file declares more
    # than it has.
    if part.id.get_storage_size() != part.nbytes or part.nbytes > file_bytes:
        raise UnsafeModelError(
            f"declares {part.nbytes:,} bytes of weights that it does not hold ({name[:80]})"
        )
    if not np.isfinite(part[()]).all():
        raise UnsafeModelError(f"has weights that are not finite ({name[:80]})")
    return part.size


def _check_weight_count(config: Any, n_values: int) -> None:
    """Build the model without allocating memory: one line can ask for a layer of a terabyte."""
    # Keras keeps a thread's uninitialised variables and allocates them at the end of its next
    # StatelessScope, so these have a thread of their own.
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        try:
            n_weights = pool.submit(_count_weights, config).result()
        except Exception as error:  # an invalid config can raise anything
            raise UnsafeModelError(f"cannot be built ({type(error).__name__})") from None
    if n_weights > n_values:
        raise UnsafeModelError(f"asks for {n_weights:,} weights and holds {n_values:,} numbers")


def _count_weights(config: Any) -> int:
    import keras

    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(
            allowed_layers.strip_compile_config(config), safe_mode=True
        )
    # Not the seed states, which are not saved.
    return sum(math.prod(variable.shape) for variable in model.weights)


def _open_checked_model(path: Path) -> "keras.Model":
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # the weights may not fit the layers
        raise UnsafeModelError(f"cannot be opened by Keras ({type(error).__name__})") from None
