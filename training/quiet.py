"""Starts Keras without the pages that TensorFlow's native code writes to standard error."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def native_code() -> Iterator[None]:
    """Drops what is written to standard error below Python, where no logger reaches it; exceptions pass as ever."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def start_keras() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with native_code():
        import keras  # noqa: F401
    # Retracing is what a search over shapes consists of; being told so thirty times helps nobody.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
