"""Figures of the benchmark, and how commands are timed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime import console

REPOSITORY_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Measurement:
    """One line of the result: value, promised lowest and highest, and every repetition behind
    it."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    repetitions: tuple[float, ...] = ()

    @property
    def kept(self) -> bool | None:
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    @property
    def promise(self) -> str:
        return (
            f"at least {self.least:g}"
            if self.least is not None
            else f"at most {self.most:g}"
            if self.most is not None
            else ""
        )


def print_measurements(title: str, figures: Iterable[Measurement]) -> None:
    kept = {True: "yes", False: "NO", None: ""}
    rows = [
        [each.name, f"{each.value:.3g} {each.unit}", each.promise, kept[each.kept]]
        for each in figures
    ]
    console.print_table(title, ["figure", "measured", "promised", "kept"], rows)


def build_environment() -> dict[str, str]:
    """For commands that run in another folder."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT)}


def measure_seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_process(
    words: list[str], place: Path, codes: tuple[int, ...] = (0,)
) -> tuple[float, float]:
    """Runs `python -m WORDS`; returns seconds and the peak of its resident memory in GB."""
    report = place / "peak.txt"
    program = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run([sys.executable, '-m', *sys.argv[2:]]).returncode\n"
        "open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\n"
        "sys.exit(code)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, str(report), *words],
        cwd=place,
        env=build_environment(),
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode not in codes:
        raise console.PlainError(f"python -m {' '.join(words)} failed: {done.stderr[-500:]}")
    return seconds, int(report.read_text()) / 1e6


def render_markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    every = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in every)


def measure_sgemm_gflops(side: int = 2048) -> float:
    """Speed of a float32 matrix product in GFLOP/s: what this machine can do at this moment."""
    a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    return 2 * side**3 / min(measure_seconds(lambda: a @ a) for _ in range(15)) / 1e9
