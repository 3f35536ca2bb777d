"""The refusal of a model file that holds anything that Telltale does not write."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from runtime import console


class UnsafeModelError(Exception):
    """The reason why a file is not opened, as the end of a sentence that begins with its name."""


@contextlib.contextmanager
def report_unsafe_model(path: Path) -> Iterator[None]:
    """Turn an UnsafeModelError into a PlainError that names the file."""
    try:
        yield
    except UnsafeModelError as error:
        raise console.PlainError(
            f"{path} {error}. It was not opened. Restore it, or train the detector again.",
            console.EXIT_BAD_MODEL,
        ) from None
