"""Keep what `python -m benchmarks.run` measured: results.json, and RESULTS.md for readers."""

import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.measuring import REPOSITORY_ROOT, Measurement, render_markdown_table
from runtime import atomic_files, console

RESULTS_FILE, RESULTS_PAGE = (
    REPOSITORY_ROOT / "benchmarks" / "results.json",
    REPOSITORY_ROOT / "benchmarks" / "RESULTS.md",
)

REPORTED_PACKAGES = ("tensorflow", "keras", "keras-tuner", "onnxruntime", "numpy", "torch")


@dataclass(frozen=True)
class Machine:
    """The machine of a run, as it was before the run.

    Attributes:
        memory_gigabytes: None where the system does not say.
        load: processes that wanted a core, the mean of a minute; None where there is no such
            figure.
        versions: by the name of the package, and of Python.
    """

    processor: str
    cores: int | None
    memory_gigabytes: float | None
    load: float | None
    versions: dict[str, str]


@dataclass(frozen=True)
class BenchmarkResults:
    """Measurements of a run.

    Attributes:
        figures: measurements by the heading of their part.
        failures: why a part has no figures, by its heading.
        sgemm_gflops: speed of a matrix product before and after the run (key ""), and before and
            after each part that was measured again alone (key: its heading).
    """

    machine: Machine
    figures: dict[str, list[Measurement]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    sgemm_gflops: dict[str, list[float]] = field(default_factory=dict)

    @property
    def speed_drift(self) -> float:
        """Speed of the fastest matrix product over that of the slowest, less 1."""
        speeds = [speed for pair in self.sgemm_gflops.values() for speed in pair]
        return max(speeds) / min(speeds) - 1


def describe_machine() -> Machine:
    """Return the processor, cores, memory, load and versions of this moment."""
    return Machine(
        processor=_read_processor(),
        cores=os.cpu_count(),
        memory_gigabytes=_read_memory_gigabytes(),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        versions={name: importlib.metadata.version(name) for name in REPORTED_PACKAGES}
        | {"python": platform.python_version()},
    )


def _read_processor() -> str:
    """Return the name of the processor; on Linux Python knows its family alone."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return name[1] if name else platform.processor() or platform.machine()


def _read_memory_gigabytes() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError):  # Windows
        return None


def load_last_results(titles: Collection[str]) -> BenchmarkResults:
    """Load benchmarks/results.json.

    Args:
        titles: headings of the parts that it must have, measured or failed.

    Raises:
        PlainError: it is missing, or was written without `--full`, by an older version, or by a run
            that did not come to its end.
    """
    saved = json.loads(RESULTS_FILE.read_bytes()) if RESULTS_FILE.exists() else {}
    tried = saved.get("figures", {}).keys() | saved.get("failures", {}).keys()
    is_ended = "" in saved.get("sgemm_gflops", {})
    if not is_ended or "machine" not in saved or not tried >= set(titles):
        raise console.PlainError(
            f"{RESULTS_FILE.name} has no figures of --full of this version. Run --full first."
        )
    figures = {
        title: [Measurement(**values) for values in part]
        for title, part in saved["figures"].items()
    }
    machine = Machine(**saved["machine"])
    return BenchmarkResults(machine, figures, saved["failures"], saved["sgemm_gflops"])


def write_results(results: BenchmarkResults) -> None:
    """Write benchmarks/results.json."""
    content = json.dumps(asdict(results), indent=1) + "\n"
    atomic_files.write_atomically(RESULTS_FILE, content.encode())


def write_page(results: BenchmarkResults) -> None:
    """Write benchmarks/RESULTS.md; the run must have come to its end."""
    atomic_files.write_atomically(RESULTS_PAGE, _render_page(results).encode())


def _render_page(results: BenchmarkResults) -> str:
    speeds = {
        title: f"{before:.0f} GFLOP/s before and {after:.0f} after"
        for title, (before, after) in results.sgemm_gflops.items()
    }
    parts = [
        "# Speed and memory\n",
        "Written by `python -m benchmarks.run --full`. Ratios are medians of runs in turns "
        "within one process.\n",
        f"{_render_machine(results.machine)} A float32 matrix product of {speeds.pop('')}.\n",
        *(
            f"Measured again, alone (`--again`): {title}, a matrix product of {speed}.\n"
            for title, speed in speeds.items()
        ),
        *(f"Not measured: {title} ({reason}).\n" for title, reason in results.failures.items()),
    ]
    met_texts = {True: "yes", False: "**no**", None: ""}
    for title, measurements in results.figures.items():
        rows = [
            [
                measurement.name,
                f"{measurement.value:.3g} {measurement.unit}".strip(),
                measurement.promise,
                met_texts[measurement.promise_met],
            ]
            for measurement in measurements
        ]
        parts += [
            f"## {title}\n",
            render_markdown_table(["figure", "measured", "promised", "met"], rows),
        ]
    return "\n".join(parts)


def _render_machine(machine: Machine) -> str:
    known = [machine.processor, f"{machine.cores} cores"]
    if machine.memory_gigabytes is not None:
        known.append(f"{machine.memory_gigabytes:.0f} GB of memory")
    if machine.load is not None:
        known.append(f"a load of {machine.load:.1f} before the run")
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return f"{', '.join(known)}. {versions}."
