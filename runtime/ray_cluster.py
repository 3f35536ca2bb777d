"""Run work on a Ray cluster: the one that RAY_ADDRESS names, or one of this machine's cores."""

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from runtime import console

RAY_INSTALL_COMMAND = "pip install -r requirements-ray.txt"


class ClusterWorker:
    """A process of the cluster. It works in the driver's current folder, which all machines
    must see under the same path.

    Args:
        make: called with `given` at the first item; what it returns is called with every item, and
            returns a number.
    """

    def __init__(self, make: Callable[..., Callable[[Any], int]], given: tuple, folder: Path):
        self.make, self.given, self.folder = make, given, folder
        self.work: Callable[[Any], int] | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"done": self._done(row["item"]), "failed": "", "exit_code": 0}
        except (console.PlainError, OSError) as error:
            plain = (
                error
                if isinstance(error, console.PlainError)
                else console.explain_os_error_or_raise(error)
            )
            return {"done": 0, "failed": str(plain), "exit_code": plain.exit_code}

    def _done(self, item: Any) -> int:
        if self.work is None:
            os.chdir(self.folder)
            console.err.quiet = True  # the run that asks shows how far it is
            self.work = self.make(*self.given)
        return self.work(item)


def run_on_cluster(
    make: Callable[..., Callable[[Any], int]],
    given: tuple,
    items: Sequence[Any],
    what: str,
    gpus: bool = False,
) -> int:
    """Return the sum of what workers return for every item; one worker per core, or per GPU
    where `gpus` is set and there are any.

    The item of a worker that dies is given to another worker.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or as the work raises it.
    """
    with _connect_cluster() as (cores, cards):
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        most, needs = (cards, {"num_gpus": 1}) if gpus and cards else (cores, {"num_cpus": 1})
        rows = ray.data.from_items(
            [{"item": item} for item in items], override_num_blocks=len(items)
        )
        done = rows.map(
            ClusterWorker,
            fn_constructor_args=(make, given, Path.cwd()),
            concurrency=(1, most),
            **needs,
        )
        return sum(
            console.track_progress(
                _iterate_results(done),
                f"{what} on {most} {'GPUs' if 'num_gpus' in needs else 'cores'}",
                len(items),
            )
        )


def _iterate_results(done) -> Iterator[int]:
    for row in done.iter_rows():
        if row["failed"]:
            raise console.PlainError(row["failed"], row["exit_code"])
        yield row["done"]


@contextlib.contextmanager
def _connect_cluster() -> Iterator[tuple[int, int]]:
    """Join the cluster, yield its numbers of cores and GPUs, and leave it at the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
    except ImportError:
        raise console.PlainError(f"This needs Ray; install it: {RAY_INSTALL_COMMAND}.") from None
    address = os.environ.get("RAY_ADDRESS")
    try:
        _check_reachable(address)  # Ray itself would wait for minutes
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = address or "this machine"
        raise console.PlainError(
            f"No Ray cluster answers at {where}: {str(error).splitlines()[0]}", console.EXIT_REMOTE
        ) from None
    try:
        there = ray.cluster_resources()
        yield int(there.get("CPU", 1)), int(there.get("GPU", 0))
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise OSError if nothing listens at HOST:PORT or ray://HOST:PORT; other addresses are
    left to Ray."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()
