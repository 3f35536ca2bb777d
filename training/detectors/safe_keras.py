"""Open a .keras file with Keras only after every part of it has been checked.

Keras' safe_mode is no sandbox: it looks names up and calls them, and it builds whatever a config
asks for.
"""

import concurrent.futures
import io
import math
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime import checked_json
from training.detectors import allowed_layers
from training.model_checks.unsafe_model import UnsafeModelError, report_unsafe_model

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


MAX_TENSOR_VALUES = 200_000_000
"""Numbers of one tensor inside a model, for one image. An image of 4096 px has 50 million."""

MAX_ACTIVATION_VALUES = 5_000_000_000
"""Numbers of all tensors together, for one image. They are not all in memory at once; those of the
deepest base have 3 billion at 1024 px."""


def load_keras_model(path: Path) -> "keras.Model":
    """Open a detector or a baseline that Keras saved, uncompiled.

    Raises:
        PlainError: it is missing, or as load_keras_bytes.
    """
    with report_unsafe_model(path):
        if not path.is_file():
            raise UnsafeModelError("is missing")
    return load_keras_bytes(path.read_bytes(), path)


def load_keras_bytes(data: bytes, path: Path, side: int | None = None) -> "keras.Model":
    """Open the bytes of a detector or a baseline, uncompiled.

    Keras opens a copy that nobody else can write to: the file could be exchanged after the check.

    Args:
        path: that they were read from, for messages.
        side: in pixels, of the images that it must take; None for any.

    Raises:
        PlainError: they are damaged, or contain anything that Telltale's models do not. Nothing in
            them was executed.
    """
    with report_unsafe_model(path):
        config, n_values = _inspect_archive(data)
        _check_weight_count(config, n_values)
        model = _open_checked_model(data)
        _check_activations(model, side)
        return model


def _inspect_archive(data: bytes) -> tuple[Any, int]:
    """Check every member; return the parsed config and the number of weights."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise UnsafeModelError("is not a .keras archive, or is truncated")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
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


def _open_checked_model(data: bytes) -> "keras.Model":
    import keras

    with tempfile.TemporaryDirectory(prefix="telltale-") as private:
        copy = Path(private, "detector.keras")
        copy.write_bytes(data)
        try:
            return keras.saving.load_model(copy, compile=False, safe_mode=True)
        except Exception as error:  # the weights may not fit the layers
            raise UnsafeModelError(f"cannot be opened by Keras ({type(error).__name__})") from None


def _check_activations(model: "keras.Model", side: int | None) -> None:
    """Raise UnsafeModelError for another input, or if one image would fill the memory.

    A layer of padding has no weights and can ask for any memory. TensorFlow's tracing computes the
    shapes, as those in the file may be wrong; it computes no image.
    """
    import tensorflow as tf

    shape = model.input_shape
    if not isinstance(shape, tuple) or (side and shape != (None, side, side, 3)):
        expected = f"images of {side} x {side} x 3, as its card says" if side else "one image"
        raise UnsafeModelError(f"does not take {expected}")
    try:
        trace = tf.function(lambda pixels: model(pixels, training=False), autograph=False)
        image = tf.TensorSpec((1, *shape[1:]), tf.float32)
        operations = trace.get_concrete_function(image).graph.get_operations()
        sizes = [tensor.shape.num_elements() for op in operations for tensor in op.outputs]
    except Exception as error:  # layers that do not fit together
        raise UnsafeModelError(f"cannot be run ({type(error).__name__})") from None
    if None in sizes:
        raise UnsafeModelError("has a layer of a size that is not known")
    if max(sizes, default=0) > MAX_TENSOR_VALUES or sum(sizes) > MAX_ACTIVATION_VALUES:
        raise UnsafeModelError(f"asks for the memory of {sum(sizes):,} numbers per image")
