"""Opens a .keras file only after a look inside: nothing of Keras reads it before every part is as
Telltale writes it.

Keras' safe_mode is no sandbox: it looks names up and calls them, and it builds whatever a config
asks for.
"""

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
"""Members that the archive must hold, no others, and the maximal bytes of each. Our largest config has
half a million."""


class UnsafeModelError(Exception):
    """Why a file is not opened, as the end of a sentence that begins with its name."""


def load_keras_model(path: Path) -> "keras.Model":
    """Opens a detector or a baseline that was saved by Keras, uncompiled.

    Raises:
        PlainError: it is damaged, or holds anything that Telltale's models are not made of. Nothing
            in it was executed.
    """
    with _report_unsafe_model(path):
        config, values = _inspect_archive(path)
        _check_weight_count(config, values)
        return _open_checked_model(path)


@contextlib.contextmanager
def _report_unsafe_model(path: Path) -> Iterator[None]:
    try:
        yield
    except UnsafeModelError as why:
        raise console.PlainError(
            f"{path} {why}; it is not opened. Train again or restore it.", console.EXIT_BAD_MODEL
        ) from None


def _inspect_archive(path: Path) -> tuple[Any, int]:
    """The parsed config, and how many numbers the weights are."""
    if not path.is_file():
        raise UnsafeModelError("is missing")
    if not zipfile.is_zipfile(path):
        raise UnsafeModelError("is no .keras archive, or a torn one")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            contents = {name: archive.read(name) for name in MAX_MEMBER_BYTES}
        parsed = {
            name: checked_json.parse_json(contents[name])
            for name in MAX_MEMBER_BYTES
            if name.endswith(".json")
        }
        if complaint := allowed_layers.find_config_fault(parsed[CONFIG_MEMBER]):
            raise UnsafeModelError(complaint)
        return parsed[CONFIG_MEMBER], _count_weight_values(contents[WEIGHTS_MEMBER])
    except UnsafeModelError:
        raise
    # zipfile, json and h5py raise of everything for damaged bytes, SystemError included
    except Exception as error:
        raise UnsafeModelError(f"is damaged ({' '.join(str(error).split())[:100]})") from None


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.orig_filename for member in members]
    strange = sorted(
        {name for name in names if name not in MAX_MEMBER_BYTES or names.count(name) > 1}
        | MAX_MEMBER_BYTES.keys() - set(names)
    )
    if strange:
        raise UnsafeModelError(
            f"should hold {', '.join(MAX_MEMBER_BYTES)} once each, which is not so for {strange[0][:80]}"
        )
    for member in members:
        # Keras stores its members as they are; so what is declared is bounded by the size of the
        # file.
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise UnsafeModelError(
                f"has a compressed {member.filename}, which Keras does not write"
            )
        if member.file_size > MAX_MEMBER_BYTES[member.filename]:
            raise UnsafeModelError(f"has a {member.filename} of {member.file_size / 1e6:,.0f} MB")


def _count_weight_values(weights: bytes) -> int:
    """How many numbers an HDF5 file holds, all of them in the file itself and finite."""
    import h5py

    with h5py.File(io.BytesIO(weights)) as file:
        links: dict[str, Any] = {}
        file.visititems_links(
            links.__setitem__
        )  # follows no link out of the file, and no circle twice
        return sum(
            _count_dataset_values(file, name, link, len(weights)) for name, link in links.items()
        )


def _count_dataset_values(file, name: str, link: Any, size: int) -> int:
    import h5py
    import numpy as np

    if not isinstance(link, h5py.HardLink):
        raise UnsafeModelError(f"has weights that link elsewhere ({name[:80]})")
    part = file[name]
    if isinstance(part, h5py.Group):
        return 0
    if not isinstance(part, h5py.Dataset) or part.shape is None or part.dtype.kind not in "fiu":
        raise UnsafeModelError(f"has weights that are no numbers ({name[:80]})")
    if part.external or part.is_virtual:
        raise UnsafeModelError(f"has weights that lie in another file ({name[:80]})")
    # Of compressed or never written values fewer bytes are stored than declared; of a torn file
    # more than there are.
    if part.id.get_storage_size() != part.nbytes or part.nbytes > size:
        raise UnsafeModelError(
            f"declares {part.nbytes:,} bytes of weights that it does not hold ({name[:80]})"
        )
    if not np.isfinite(part[()]).all():
        raise UnsafeModelError(f"has weights that are not finite ({name[:80]})")
    return part.size


def _check_weight_count(config: Any, values: int) -> None:
    """Builds the model without its memory: a config of one line can ask for a layer of a
    terabyte."""
    import keras

    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(
                allowed_layers.strip_compile_config(config), safe_mode=True
            )
        wanted = sum(
            math.prod(variable.shape) for variable in model.weights
        )  # not the states of seeds, which are not saved
    except Exception as error:  # Keras raises whatever comes when a config makes no sense
        raise UnsafeModelError(f"cannot be built ({type(error).__name__})") from None
    if wanted > values:
        raise UnsafeModelError(f"asks for {wanted:,} weights and holds {values:,} numbers")


def _open_checked_model(path: Path) -> "keras.Model":
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # as above; the weights may not fit the layers
        raise UnsafeModelError(f"cannot be opened by Keras ({type(error).__name__})") from None
