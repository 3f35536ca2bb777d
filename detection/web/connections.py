"""How many connections fit, and one sentence if there are more."""

import asyncio
import contextlib
import errno
import logging
from typing import Any

from runtime import console

with contextlib.suppress(ImportError):  # there is none on Windows
    import resource

MAX_CONNECTIONS = 500

RESERVED_DESCRIPTORS = 100
"""For the page itself, its decoding processes, and connections that are being accepted."""

DESCRIPTOR_ERRNOS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def choose_max_connections() -> int:
    """Return how many connections fit into the descriptors that this process may open."""
    if "resource" not in globals():
        return MAX_CONNECTIONS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(limit - RESERVED_DESCRIPTORS, limit // 4))


def quieten_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Report that connections are too many once, in a sentence; asyncio would print a traceback
    for each, megabytes a second."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    told: set[str] = set()

    def handle_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        message = f"A connection failed: {type(error).__name__}."
        if isinstance(error, OSError) and error.errno in DESCRIPTOR_ERRNOS:
            message = "Too many connections; new ones wait until others are closed."
        if message not in told:
            told.add(message)
            console.print_warning(message)

    loop.set_exception_handler(handle_error)
