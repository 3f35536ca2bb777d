"""Figures of the benchmark, and how commands are timed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection import console

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Figure:
    """One line of the result: value, promised lowest and highest, and every repetition behind it."""

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
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def promise(self) -> str:
        return (
            f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}" if self.most is not None else ""
        )


def show(title: str, figures: Iterable[Figure]) -> None:
    kept = {True: "yes", False: "NO", None: ""}
    rows = [[each.name, f"{each.value:.3g} {each.unit}", each.promise, kept[each.kept]] for each in figures]
    console.table(title, ["figure", "measured", "promised", "kept"], rows)


def environment() -> dict[str, str]:
    """For commands that run in another folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def whole_process(words: list[str], place: Path, codes: tuple[int, ...] = (0,)) -> tuple[float, float]:
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
        env=environment(),
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode not in codes:
        raise console.PlainError(f"python -m {' '.join(words)} failed: {done.stderr[-500:]}")
    return seconds, int(report.read_text()) / 1e6


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    every = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in every)
