"""Measurements of the benchmarks: their type, their tables, and how commands are timed."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from data_collection.diffusion import compute_device
from runtime import console

REPOSITORY_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Measurement:
    """One row of the results: the value, its promised limits, and every repetition behind it."""

    name: str
    value: float
    unit: str = ""
    _: KW_ONLY
    promised_min: float | None = None
    promised_max: float | None = None
    repetitions: tuple[float, ...] = ()

    @property
    def promise_met(self) -> bool | None:
        if self.promised_min is None and self.promised_max is None:
            return None
        return (self.promised_min is None or self.value >= self.promised_min) and (
            self.promised_max is None or self.value <= self.promised_max
        )

    @property
    def promise(self) -> str:
        return (
            f"at least {self.promised_min:g}"
            if self.promised_min is not None
            else f"at most {self.promised_max:g}"
            if self.promised_max is not None
            else ""
        )


def print_measurements(title: str, measurements: Iterable[Measurement]) -> None:
    met_texts = {True: "yes", False: "NO", None: ""}
    rows = [
        [
            measurement.name,
            f"{measurement.value:.3g} {measurement.unit}",
            measurement.promise,
            met_texts[measurement.promise_met],
        ]
        for measurement in measurements
    ]
    console.print_table(title, ["figure", "measured", "promised", "met"], rows)


def explain_failure(error: Exception) -> str:
    """Return why a part of a benchmark failed, in a few words."""
    if compute_device.is_out_of_memory(error):
        return "not even one image fits into the memory"
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    if isinstance(error, console.PlainError):
        return textwrap.shorten(str(error).rstrip("."), 300, placeholder=" ...")
    return textwrap.shorten(f"{type(error).__name__}: {error}", 200, placeholder=" ...")


def build_environment() -> dict[str, str]:
    """Return the environment for commands that run in another folder."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT)}


def measure_seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_process(
    words: list[str], work_folder: Path, exit_codes: tuple[int, ...] = (0,)
) -> tuple[float, float]:
    """Run `python -m WORDS`; return its seconds and its peak resident memory in GB.

    Raises:
        PlainError: it ended with an exit code that is not in `exit_codes`.
    """
    peak_file = work_folder / "peak.txt"
    program = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run([sys.executable, '-m', *sys.argv[2:]]).returncode\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "open(sys.argv[1], 'w').write(str(peak))\n"
        "sys.exit(code)"
    )
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", program, str(peak_file), *words],
        cwd=work_folder,
        env=build_environment(),
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    if process.returncode not in exit_codes:
        raise console.PlainError(f"python -m {' '.join(words)} failed: {process.stderr[-500:]}")
    return seconds, int(peak_file.read_text()) / 1e6


def render_markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def measure_sgemm_gflops(side: int = 2048) -> float:
    """Measure a float32 matrix product in GFLOP/s: the speed of this machine at this moment."""
    matrix = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    return 2 * side**3 / min(measure_seconds(lambda: matrix @ matrix) for _ in range(15)) / 1e9
