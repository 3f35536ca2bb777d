"""Start Keras without the pages that TensorFlow's native code writes to standard error."""

import contextlib
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from runtime import console

SUPPORTED_BACKENDS = ("tensorflow", "jax")
BACKEND_LIBRARIES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
MIN_KERAS_VERSION = (3, 15, 1)
"""Oldest version of Keras: earlier ones open crafted model files (CVE-2026-12570)."""


@contextlib.contextmanager
def silence_native_stderr() -> Iterator[None]:
    """Drop what is written to standard error below Python, where no logger reaches it.

    Exceptions pass unchanged.
    """
    sys.stderr.flush()
    original_stderr = os.dup(2)
    with open(os.devnull, "w") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(original_stderr, 2)
        os.close(original_stderr)


@contextlib.contextmanager
def _exit_at_once_when_interrupted() -> Iterator[None]:
    """End a command at the signal itself: an exception that passes through TensorFlow's native
    code while it starts aborts the process."""
    is_command = signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    if not is_command or threading.current_thread() is not threading.main_thread():
        yield
        return
    stderr = os.dup(2)  # the other one is silenced meanwhile

    def exit_at_once(*_: object) -> None:
        os.write(stderr, f"error: {console.INTERRUPTED_SENTENCE}\n".encode())
        os._exit(console.EXIT_INTERRUPTED)

    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, exit_at_once) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        os.close(stderr)


def start_keras(backends: Sequence[str] = SUPPORTED_BACKENDS) -> None:
    """Import Keras, and say so: check before whatever a person can have mistyped.

    Args:
        backends: those that the caller runs on.

    Raises:
        PlainError: Telltale does not run on its version, or the caller not on its backend.
    """
    backend = os.environ.get("KERAS_BACKEND", backends[0])
    check_keras_backend(backend, backends)
    if "keras" not in sys.modules:
        library = BACKEND_LIBRARIES[backend]
        console.print_message(f"Starting {library} and Keras, which takes 5 to 20 seconds.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _exit_at_once_when_interrupted(), silence_native_stderr():
        import keras
    check_keras_backend(
        keras.config.backend(), backends
    )  # Keras' configuration file may name one, too
    check_keras_version(keras.__version__)
    # A search over shapes retraces all the time; thirty warnings of it help nobody.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def check_keras_backend(name: str, backends: Sequence[str] = SUPPORTED_BACKENDS) -> None:
    if name not in backends:
        raise console.PlainError(
            f"Keras' backend {name!r} is not supported. Unset KERAS_BACKEND, or set it to "
            f"{' or '.join(backends)}."
        )


def check_keras_version(version: str) -> None:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if numbers < MIN_KERAS_VERSION:
        raise console.PlainError(
            f"Keras {version} opens crafted model files. Install "
            f"{'.'.join(map(str, MIN_KERAS_VERSION))} or later: pip install -r requirements.txt."
        )
