"""Have an ONNX detector opened only after every part of it has been checked.

The hash in card.json is no guard: whoever hands on a folder writes both. A file that passed is
remembered by its hash in the user's cache, because reading the graph takes a tenth of a second.
"""

import contextlib
import os
import stat
from pathlib import Path

import numpy as np

from runtime import onnx_session, package_index
from training.model_checks.unsafe_model import UnsafeModelError, report_unsafe_model

INSPECTION_VERSION = 1
"""Raise it with every change to what is checked."""

CHECKED_FOLDER = "checked"

GREY_LEVEL = 128.0


def check_onnx_file(model: bytes | Path, sha256: str, side: int, path: Path) -> None:
    """Check the bytes of a detector.

    Args:
        model: the bytes, or a file of them, which is not read if they are known.
        sha256: of the bytes.
        side: in pixels, of the images that it must take.
        path: of the detector, for the message.

    Raises:
        PlainError: they hold anything that Telltale's exports do not, or give no probability for a
            grey image.
    """
    record = _locate_record(sha256, side)
    if _is_private(record.parent) and record.is_file():
        return
    data = model if isinstance(model, bytes) else model.read_bytes()
    with report_unsafe_model(path):
        _inspect_graph(data, side)
        _judge_grey_image(data, side)
    with contextlib.suppress(OSError):  # a cache that cannot be written to
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        record.touch(mode=0o600)


def _locate_record(sha256: str, side: int) -> Path:
    name = f"{sha256}-{side}-{INSPECTION_VERSION}"
    return package_index.cache_folder() / CHECKED_FOLDER / name


def _is_private(folder: Path) -> bool:
    """Return whether nobody else can have written into a folder."""
    try:
        status = folder.stat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):  # Windows: the cache lies in the user's own profile
        return True
    others = stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid == os.getuid() and not status.st_mode & others


def _inspect_graph(data: bytes, side: int) -> None:
    import onnx

    from training.model_checks import allowed_operators

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, MemoryError, RecursionError
        raise UnsafeModelError(f"is damaged ({type(error).__name__})") from None
    allowed_operators.check_onnx_model(model, side)


def _judge_grey_image(data: bytes, side: int) -> None:
    try:
        session = onnx_session.open_session(data)
        grey = np.full((2, side, side, 3), GREY_LEVEL, np.float32)
        answers = session.run(None, {session.get_inputs()[0].name: grey})[0]
    except Exception as error:  # ONNX Runtime has a dozen types that share no base
        raise UnsafeModelError(f"cannot be run ({type(error).__name__})") from None
    if answers.shape != (2, 1) or answers.dtype != np.float32:
        raise UnsafeModelError("does not give one probability per image")
    if ((answers < 0) | (answers > 1)).any():
        raise UnsafeModelError("gives numbers that are no probabilities")
