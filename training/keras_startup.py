"""Starts Keras without the pages that TensorFlow's native code writes to standard error."""

import contextlib
import logging
import os
import re
import sys
from collections.abc import Iterator

from runtime import console

SUPPORTED_BACKENDS = ("tensorflow", "jax")
MIN_KERAS_VERSION = (3, 15, 1)
"""Oldest version of Keras: earlier ones open crafted model files (CVE-2026-12570)."""


@contextlib.contextmanager
def silence_native_stderr() -> Iterator[None]:
    """Drops what is written to standard error below Python, where no logger reaches it; exceptions
    pass as ever."""
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
    """Imports Keras, which takes seconds.

    Raises:
        PlainError: its version or its backend is one that Telltale does not run on.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    check_keras_backend(os.environ.get("KERAS_BACKEND", SUPPORTED_BACKENDS[0]))
    with silence_native_stderr():
        import keras
    check_keras_backend(keras.config.backend())  # a file of Keras may name one, too
    check_keras_version(keras.__version__)
    # Retracing is what a search over shapes consists of; being told so thirty times helps nobody.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def check_keras_backend(name: str) -> None:
    if name not in SUPPORTED_BACKENDS:
        raise console.PlainError(
            f"Keras' backend is {name!r}; set KERAS_BACKEND to {' or '.join(SUPPORTED_BACKENDS)}, or to nothing."
        )


def check_keras_version(version: str) -> None:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if numbers < MIN_KERAS_VERSION:
        raise console.PlainError(
            f"Keras {version} opens crafted model files; run pip install -r requirements.txt, which asks for "
            f"{'.'.join(map(str, MIN_KERAS_VERSION))} or later."
        )
