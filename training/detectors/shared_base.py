"""Keep the weights of a large base once on disk: the files of its detectors leave them out.

`detector.onnx` becomes `detector.onnx.parts`: where in the file each of the base's arrays lies, and
the bytes between them, compressed. Restored, the file is the same, bit for bit, and has the hash in
the card. The base is found by the hash of its weights, fetched again if it must be.
"""

import functools
import itertools
import json
import lzma
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import atomic_files, checked_json, console, package_index
from training import keras_startup
from training.bases import loaded_base
from training.bases import weights as base_weights
from training.bases.memory_check import check_detector_memory
from training.bases.tower_presets import TOWER_PRESETS

if TYPE_CHECKING:
    from training.detectors.card_fields import BaseDescription

PARTS_SUFFIX = ".parts"
MIN_SHARED_BYTES = 1024
"""Smaller arrays stay in the model files."""

PROBE_BYTES = 64
"""Bytes of an array that are looked for before all of it is compared."""

SOURCES = {"keras": "imagenet", "package": "package", "random": "random"}
"""Where to look for weights, by their origin."""

COMPRESSION_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 0, "lc": 0, "lp": 2, "pb": 2}]
"""For numbers of four bytes each; higher presets take twice as long for 3% less."""

MAX_COMPRESSION_BYTES = 64 << 20
"""Memory of a decompressor; a damaged file must not ask for more."""

MAX_HEADER_BYTES = 1_000_000

MAX_REST_BYTES = 1 << 30
"""Largest size of a model file without its base; a damaged file must not fill the memory."""


@dataclass(frozen=True, kw_only=True)
class PartsHeader:
    """First line of a file of parts.

    Attributes:
        base, origin, weights_sha256: of the base's weights, as the card has them.
        size: bytes of the whole file.
        shared: of every array, its place in the whole file, its place among the base's weights, and
            its length, in bytes, in the order of the file.
    """

    base: str
    origin: str
    weights_sha256: str
    size: int
    shared: tuple[tuple[int, int, int], ...]


def detach_base(folder: Path, base: "BaseDescription") -> None:
    """Replace the model files of a detector on a vision transformer by files of parts.

    Detectors on other bases, and on weights that the user named, keep their files.
    """
    if base.name not in TOWER_PRESETS or base.origin not in SOURCES:
        return
    arrays = _load_shared_weights(base.name, base.origin, base.sha256)
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".keras", ".onnx"):
            data = path.read_bytes()
            shared = tuple(_find_arrays(data, base.name, arrays))
            if not shared:  # a model from scratch
                continue
            header = PartsHeader(
                base=base.name,
                origin=base.origin,
                weights_sha256=base.sha256,
                size=len(data),
                shared=shared,
            )
            atomic_files.write_atomically(name_parts(path), _encode_parts(header, data))
            path.unlink()


def name_parts(path: Path) -> Path:
    """Return the path of the file of parts that replaces a model file."""
    return path.with_name(path.name + PARTS_SUFFIX)


def _find_arrays(data: bytes, base: str, weights: np.ndarray) -> list[tuple[int, int, int]]:
    """Return where the arrays of a base lie in a file, as PartsHeader.shared has it."""
    raw, found, start = memoryview(weights).cast("B"), [], 0
    for length in _list_array_bytes(base):
        if length >= MIN_SHARED_BYTES:
            array = raw[start : start + length]
            position = data.find(bytes(array[:PROBE_BYTES]))
            while position >= 0 and data[position : position + length] != array:
                position = data.find(bytes(array[:PROBE_BYTES]), position + 1)
            if position >= 0:
                found.append((position, start, length))
        start += length
    found.sort()
    # Two equal arrays are found at one place.
    return [
        piece
        for before, piece in itertools.pairwise([(0, 0, 0), *found])
        if piece[0] >= before[0] + before[2]
    ]


def _encode_parts(header: PartsHeader, data: bytes) -> bytes:
    ends = [0, *(position + length for position, _, length in header.shared)]
    starts = [*(position for position, _, _ in header.shared), header.size]
    rest = (data[end:start] for end, start in zip(ends, starts, strict=True))
    compressed = lzma.compress(b"".join(rest), filters=COMPRESSION_FILTERS)
    return b"\n".join([json.dumps(asdict(header)).encode(), compressed])


def has_parts(path: Path) -> bool:
    """Return whether a model file was replaced by a file of parts."""
    return not path.is_file() and name_parts(path).is_file()


def read_parts(path: Path) -> tuple[PartsHeader, bytes]:
    """Return header and remaining bytes of a model file that was replaced by a file of parts.

    Raises:
        PlainError: the parts are damaged.
    """
    parts_path = name_parts(path)
    content = parts_path.read_bytes()
    try:
        line, _, rest = content[:MAX_HEADER_BYTES].partition(b"\n")
        header = checked_json.convert_to(checked_json.parse_json(line), PartsHeader)
        rest = _decompress(content[len(line) + 1 :])
        if header.base not in TOWER_PRESETS or header.origin not in SOURCES:
            raise ValueError
        if not header.weights_sha256.replace("-", "").isalnum():
            raise ValueError
        if header.size != len(rest) + sum(length for _, _, length in header.shared):
            raise ValueError
    except (ValueError, KeyError, TypeError, lzma.LZMAError):
        raise console.PlainError(
            f"{parts_path} is damaged. Restore it, or train the detector again.",
            console.EXIT_BAD_MODEL,
        ) from None
    return header, rest


def _decompress(data: bytes) -> bytes:
    """Return the decompressed bytes; ValueError or LZMAError if they are not whole."""
    decompressor = lzma.LZMADecompressor(memlimit=MAX_COMPRESSION_BYTES)
    rest = decompressor.decompress(data, MAX_REST_BYTES)
    if not decompressor.eof:
        raise ValueError
    return rest


def restore_bytes(path: Path) -> bytes:
    """Return the bytes of a model file that was replaced by a file of parts.

    Raises:
        PlainError: the parts are damaged, the weights of the base cannot be found, or the free
            memory cannot hold them.
    """
    header, rest = read_parts(path)
    check_detector_memory(path.parent.name, header.size)
    weights = _load_shared_weights(header.base, header.origin, header.weights_sha256)
    raw, pieces, end, used = memoryview(weights).cast("B"), [], 0, 0
    for position, start, length in header.shared:
        pieces += [rest[used : used + position - end], raw[start : start + length]]
        used, end = used + position - end, position + length
    return b"".join([*pieces, rest[used:]])


@functools.cache
def restore_file(path: Path, sha256: str) -> Path:
    """Return a temporary copy of the whole model file, which is deleted when the process ends.

    Args:
        sha256: of the whole file; another version of it is another file.
    """
    folder = Path(_open_temporary_folder().name, sha256[:12])
    folder.mkdir(exist_ok=True)
    whole = folder / path.name
    whole.write_bytes(restore_bytes(path))
    return whole


@functools.cache
def _open_temporary_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="telltale-")


def locate_shared_weights() -> Path:
    """Return the folder with one file of weights per base."""
    return package_index.cache_folder() / "bases"


@functools.cache
def _list_array_bytes(base: str) -> list[int]:
    """Return the length in bytes of every array of a base, in its order."""
    from training.bases.base_models import build_base

    # Not in a StatelessScope: Keras would allocate all these weights at the end of the next one.
    return [4 * math.prod(weight.shape) for weight in build_base(base).weights]


def _load_shared_weights(base: str, origin: str, sha256: str) -> np.ndarray:
    """Return all weights of a base, one after the other, float32, mapped from the cache.

    Raises:
        PlainError: they cannot be found, or others are found in their place.
    """
    path = locate_shared_weights() / f"{base}-{sha256[:16]}.float32"
    if not path.is_file():
        keras_startup.start_keras()
        found = base_weights.find_base_weights(base, SOURCES[origin])
        if found.sha256 != sha256:
            raise console.PlainError(
                f"The detector needs the weights {sha256[:12]} of {base}, but the ones found here "
                f"are {found.sha256[:12]}. Train it again, or use its exported file.",
                console.EXIT_BAD_MODEL,
            )
        arrays = loaded_base.load_base(found).model.get_weights()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}-{path.name}")
        np.concatenate([np.ravel(array) for array in arrays]).tofile(temporary)
        os.replace(temporary, path)
    return np.memmap(path, dtype=np.float32, mode="r")
