"""A Ray cluster: the one that RAY_ADDRESS names, or one of this machine's cores."""

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

from data_collection import console

if TYPE_CHECKING:
    import ray.data

INSTALL = "pip install -r requirements-ray.txt"


@contextlib.contextmanager
def joined() -> Iterator[tuple[int, int]]:
    """Joins the cluster and leaves it at the end; gives the numbers of its cores and GPUs.

    Raises:
        PlainError: Ray is not installed, or the cluster cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
    except ImportError:
        raise console.PlainError(f"This needs Ray; install it: {INSTALL}.") from None
    address = os.environ.get("RAY_ADDRESS")
    try:
        _answers(address)  # Ray itself would wait for minutes
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = address or "this machine"
        raise console.PlainError(f"No Ray cluster answers at {where}: {str(error).splitlines()[0]}", console.REMOTE) from None
    try:
        there = ray.cluster_resources()
        yield int(there.get("CPU", 1)), int(there.get("GPU", 0))
    finally:
        ray.shutdown()


def _answers(address: str | None) -> None:
    """Raises OSError where nothing listens at HOST:PORT or ray://HOST:PORT; other addresses are Ray's to find."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


def quiet_data() -> "ray.data":
    """Ray Data without its bars and its log."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray.data
