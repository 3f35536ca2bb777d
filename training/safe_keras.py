"""Opens a .keras file only after a look inside: nothing of Keras reads it before every part is as Telltale writes it.

Keras' safe_mode is no sandbox: it looks names up and calls them, and it builds whatever a config asks for.
"""

import contextlib
import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_collection import checked_json, console
from training import allowed_layers

if TYPE_CHECKING:
    import keras

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS = {"metadata.json": 100_000, CONFIG: 5_000_000, WEIGHTS: 1_000_000_000}
"""What the archive holds, no more and no less, and the most bytes of each. Our largest config has half a million."""


class Refusal(Exception):
    """Why a file is not opened, as the end of a sentence that begins with its name."""


def load(path: Path) -> "keras.Model":
    """Opens a detector or a baseline that was saved by Keras, uncompiled.

    Raises:
        PlainError: it is damaged, or holds anything that Telltale's models are not made of. Nothing in it was executed.
    """
    with _refusing(path):
        config, values = _look_into(path)
        _check_memory(config, values)
        return _opened(path)


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except Refusal as why:
        raise console.PlainError(f"{path} {why}; it is not opened. Train again or restore it.", console.BAD_MODEL) from None


def _look_into(path: Path) -> tuple[Any, int]:
    """The parsed config, and how many numbers the weights are."""
    if not path.is_file():
        raise Refusal("is missing")
    if not zipfile.is_zipfile(path):
        raise Refusal("is no .keras archive, or a torn one")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            contents = {name: archive.read(name) for name in MEMBERS}
        parsed = {name: checked_json.parsed(contents[name]) for name in MEMBERS if name.endswith(".json")}
        if complaint := allowed_layers.complaint(parsed[CONFIG]):
            raise Refusal(complaint)
        return parsed[CONFIG], _count(contents[WEIGHTS])
    except Refusal:
        raise
    except Exception as error:  # zipfile, json and h5py raise of everything for damaged bytes, SystemError included
        raise Refusal(f"is damaged ({' '.join(str(error).split())[:100]})") from None


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [member.orig_filename for member in members]
    strange = sorted({name for name in names if name not in MEMBERS or names.count(name) > 1} | MEMBERS.keys() - set(names))
    if strange:
        raise Refusal(f"should hold {', '.join(MEMBERS)} once each, which is not so for {strange[0][:80]}")
    for member in members:
        # Keras stores its members as they are; so what is declared is bounded by the size of the file.
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise Refusal(f"has a compressed {member.filename}, which Keras does not write")
        if member.file_size > MEMBERS[member.filename]:
            raise Refusal(f"has a {member.filename} of {member.file_size / 1e6:,.0f} MB")


def _count(weights: bytes) -> int:
    """How many numbers an HDF5 file holds, all of them in the file itself and finite."""
    import h5py

    with h5py.File(io.BytesIO(weights)) as file:
        links: dict[str, Any] = {}
        file.visititems_links(links.__setitem__)  # follows no link out of the file, and no circle twice
        return sum(_numbers(file, name, link, len(weights)) for name, link in links.items())


def _numbers(file, name: str, link: Any, size: int) -> int:
    import h5py
    import numpy as np

    if not isinstance(link, h5py.HardLink):
        raise Refusal(f"has weights that link elsewhere ({name[:80]})")
    part = file[name]
    if isinstance(part, h5py.Group):
        return 0
    if not isinstance(part, h5py.Dataset) or part.shape is None or part.dtype.kind not in "fiu":
        raise Refusal(f"has weights that are no numbers ({name[:80]})")
    if part.external or part.is_virtual:
        raise Refusal(f"has weights that lie in another file ({name[:80]})")
    # Of compressed or never written values fewer bytes are stored than declared; of a torn file more than there are.
    if part.id.get_storage_size() != part.nbytes or part.nbytes > size:
        raise Refusal(f"declares {part.nbytes:,} bytes of weights that it does not hold ({name[:80]})")
    if not np.isfinite(part[()]).all():
        raise Refusal(f"has weights that are not finite ({name[:80]})")
    return part.size


def _check_memory(config: Any, values: int) -> None:
    """Builds the model without its memory: a config of one line can ask for a layer of a terabyte."""
    import keras

    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(allowed_layers.without_compiling(config), safe_mode=True)
        wanted = sum(math.prod(variable.shape) for variable in model.weights)  # not the states of seeds, which are not saved
    except Exception as error:  # Keras raises whatever comes when a config makes no sense
        raise Refusal(f"cannot be built ({type(error).__name__})") from None
    if wanted > values:
        raise Refusal(f"asks for {wanted:,} weights and holds {values:,} numbers")


def _opened(path: Path) -> "keras.Model":
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # as above; the weights may not fit the layers
        raise Refusal(f"cannot be opened by Keras ({type(error).__name__})") from None
