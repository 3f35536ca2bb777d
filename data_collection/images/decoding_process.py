"""A process that decodes images for `decoding_pool` until its parent ends, or ends it."""

import contextlib
import dataclasses
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from data_collection.images import decode, errors
from data_collection.images.containers import heif
from data_collection.images.decoding_messages import read_message, write_message

MAX_HEIF_MEMORY_BYTES = 1_500_000_000
"""Memory for one AVIF or HEIC file, whose frames may be larger than any header says; pictures of 25
megapixels take a third."""

with contextlib.suppress(ImportError):  # there is none on Windows: see decoding_pool's wall limit
    import resource


def main() -> None:
    """Answer every image on standard input on standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to handle
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    # libtiff writes to the terminal; nothing but answers may come through the pipe
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    images: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    threading.Thread(target=_receive_images, args=(requests, images), daemon=True).start()
    write_message(answers, {"ready": True})
    while True:
        limit_s, data = images.get()
        _limit_cpu_time(limit_s)
        with _limit_memory(MAX_HEIF_MEMORY_BYTES if heif.is_heif(data) else None):
            _answer(answers, data)


def _receive_images(requests: BinaryIO, images: queue.SimpleQueue) -> None:
    """Queue images; end the process with its parent, even while an image is being decoded."""
    while True:
        try:
            header, data = read_message(requests)
            images.put((header["limit_s"], bytes(data)))
        except (EOFError, OSError):
            os._exit(0)


def _limit_cpu_time(seconds: float) -> None:
    """Let the system end this process when it has computed for so long from now on. Time on the
    clock would refuse honest images where the machine is busy."""
    if "resource" in globals():
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limit = math.ceil(time.process_time() + seconds)
        with contextlib.suppress(ValueError):  # above the limit that this computer sets
            resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


@contextlib.contextmanager
def _limit_memory(limit_bytes: int | None) -> Iterator[None]:
    """Limit the memory that this process takes inside the block, beyond what it has; on Linux."""
    statistics = Path("/proc/self/statm")
    if limit_bytes is None or "resource" not in globals() or not statistics.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    held = int(statistics.read_text().split()[5]) * resource.getpagesize()
    with contextlib.suppress(ValueError):  # above the limit that this computer sets
        resource.setrlimit(resource.RLIMIT_DATA, (held + limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _answer(answers: BinaryIO, data: bytes) -> None:
    try:
        whole = decode.decode_whole(data)
    except errors.UnreadableImage as error:
        write_message(answers, {"error": type(error).__name__, "message": str(error)})
        return
    facts = {
        field.name: getattr(whole, field.name)
        for field in dataclasses.fields(whole)
        if field.name != "square"
    }
    picture = whole.square
    write_message(answers, {"size": picture.size, "facts": facts}, picture.tobytes())
