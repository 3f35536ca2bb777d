"""Run work on a Ray cluster: the one at RAY_ADDRESS, or one on this machine."""

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
        make_function: called with `arguments` at the first item; returns a function from an item
            to a number, which is then called with every item.
    """

    def __init__(
        self, make_function: Callable[..., Callable[[Any], int]], arguments: tuple, folder: Path
    ):
        self.make_function, self.arguments, self.folder = make_function, arguments, folder
        self.function: Callable[[Any], int] | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self._process(row["item"]), "error": "", "exit_code": 0}
        except (console.PlainError, OSError) as error:
            plain = (
                error
                if isinstance(error, console.PlainError)
                else console.explain_os_error_or_raise(error)
            )
            return {"result": 0, "error": str(plain), "exit_code": plain.exit_code}

    def _process(self, item: Any) -> int:
        if self.function is None:
            os.chdir(self.folder)
            console.err.quiet = True  # the driver shows the progress
            self.function = self.make_function(*self.arguments)
        return self.function(item)


def run_on_cluster(
    make_function: Callable[..., Callable[[Any], int]],
    arguments: tuple,
    items: Sequence[Any],
    description: str,
    use_gpus: bool = False,
) -> int:
    """Process every item on the cluster and return the sum of the results.

    There is one worker per core, or per GPU if `use_gpus` is set and there are any. The item of a
    worker that dies goes to another one.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or a worker raised it.
    """
    with _connect_cluster() as (n_cores, n_gpus):
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        on_gpus = use_gpus and n_gpus > 0
        n_workers = n_gpus if on_gpus else n_cores
        rows = ray.data.from_items(
            [{"item": item} for item in items], override_num_blocks=len(items)
        )
        results = rows.map(
            ClusterWorker,
            fn_constructor_args=(make_function, arguments, Path.cwd()),
            concurrency=(1, n_workers),
            **({"num_gpus": 1} if on_gpus else {"num_cpus": 1}),
        )
        return sum(
            console.track_progress(
                _iterate_results(results),
                f"{description} on {n_workers} {'GPUs' if on_gpus else 'cores'}",
                len(items),
            )
        )


def _iterate_results(results) -> Iterator[int]:
    for row in results.iter_rows():
        if row["error"]:
            raise console.PlainError(row["error"], row["exit_code"])
        yield row["result"]


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
        raise console.PlainError(
            f"No Ray cluster answers at {address or 'this machine'}: {str(error).splitlines()[0]}",
            console.EXIT_REMOTE,
        ) from None
    try:
        resources = ray.cluster_resources()
        yield int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise OSError if nothing listens at HOST:PORT or ray://HOST:PORT; other addresses are
    left to Ray."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()
