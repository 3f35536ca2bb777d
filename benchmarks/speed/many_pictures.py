"""Measure many pictures, on the page in a browser and with `--html`: `python -m
benchmarks.speed.many_pictures saved_models/NAME FACE`.

The page gets 200 pictures of 12 megapixels, all with the same face, by the browser's own file
chooser; it needs Playwright and Chromium. `--html` gets small pictures of noise, all different.
Memory is that of all processes of the program, and of all of the browser's, each shared page
counted once; their seconds of computing do not depend on what else the machine does (Linux).
"""

import contextlib
import io
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro
from PIL import Image

from benchmarks.measuring import Measurement, measure_process, print_measurements
from benchmarks.speed.detecting import open_page
from benchmarks.speed.several_faces import paste_copies
from data_collection.images import decode
from runtime import console

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE_PICTURES = 200
HTML_PICTURES = (200, 2000)
SMALL_SIDE_PX = 256
MAX_PAGE_SECONDS, MAX_PAGE_GB = 120, 1.0
WATCH_INTERVAL_S = 0.2
TIMEOUT_MS = 1_800_000


def main(
    model: Annotated[Path, tyro.conf.Positional], face: Annotated[Path, tyro.conf.Positional]
) -> None:
    """Measure a detector.

    Args:
        model: folder of a saved detector.
        face: picture of one face, which is copied into the large pictures.
    """
    with tempfile.TemporaryDirectory() as folder:
        measurements = [
            *measure_page(model, face, Path(folder) / "large"),
            *(row for count in HTML_PICTURES for row in measure_html(model, Path(folder), count)),
        ]
    print_measurements(f"{model.name}, many pictures", measurements)


def measure_page(model: Path, face: Path, folder: Path) -> list[Measurement]:
    """Return the seconds of all pictures, and the memory of the program and of the browser."""
    paths = write_large_pictures(face, folder)
    with (
        open_browser() as (browser, browser_pid),
        open_page(model) as page,
        watch_memory({"program": page.process.pid, "browser": browser_pid}) as peaks_gb,
    ):
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{page.port}/")
        tab.get_by_text("Judged by").wait_for()
        started = time.perf_counter()
        tab.set_input_files("#file", paths)
        tab.get_by_text("all are done").wait_for(timeout=TIMEOUT_MS)
        seconds = time.perf_counter() - started
        cpu_s = [_measure_tree_cpu_s(pid) for pid in (page.process.pid, browser_pid)]
        n_judged = tab.locator("#pictures tbody tr:not([data-verdict='not judged'])").count()
    if n_judged != len(paths):
        raise console.PlainError(f"{n_judged} of {len(paths)} were judged. Give another face.")
    name = f"{len(paths)} pictures of 12 megapixels on the page"
    return [
        Measurement(name, seconds, "s", promised_max=MAX_PAGE_SECONDS),
        Measurement("computing for that, program and browser", sum(cpu_s), "s"),
        Measurement("memory of the program", peaks_gb["program"], "GB", promised_max=MAX_PAGE_GB),
        Measurement("memory of the browser", peaks_gb["browser"], "GB"),
    ]


def write_large_pictures(face: Path, folder: Path) -> list[Path]:
    """Write pictures of 12 megapixels that differ in their last bytes."""
    folder.mkdir()
    data = paste_copies(decode.decode_face(face.read_bytes()).square, 1)
    paths = [folder / f"{number:03}.jpg" for number in range(PAGE_PICTURES)]
    for number, path in enumerate(paths):
        path.write_bytes(data + number.to_bytes(2, "big"))
    return paths


@contextlib.contextmanager
def open_browser() -> Iterator[tuple["Browser", int]]:
    """Open Chromium; yield it and the number of its first process.

    Raises:
        PlainError: Playwright or Chromium is missing.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        chromium = None
    if not chromium:
        raise console.PlainError(
            "Playwright or Chromium is missing; pip install -r requirements-dev.txt, and install "
            "Chromium."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        parents = _list_processes()
        # Playwright's own program lies between this process and the browser
        (driver,) = (pid for pid, parent in parents.items() if parent == os.getpid())
        yield browser, next(pid for pid, parent in parents.items() if parent == driver)
        browser.close()


@contextlib.contextmanager
def watch_memory(roots: dict[str, int]) -> Iterator[dict[str, float]]:
    """Record the most memory, in GB, that each process has held with all of its children."""
    peaks_gb, stop = dict.fromkeys(roots, 0.0), threading.Event()

    def watch() -> None:
        while not stop.wait(WATCH_INTERVAL_S):
            for name, pid in roots.items():
                peaks_gb[name] = max(peaks_gb[name], _measure_tree_gb(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks_gb
    finally:
        stop.set()
        watcher.join()


def _list_processes() -> dict[int, int]:
    """Return the parent of every process."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    return parents


def _list_tree(root: int) -> set[int]:
    """Return a process with all of its children, and theirs."""
    parents, tree = _list_processes(), {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return tree


def _measure_tree_cpu_s(root: int) -> float:
    """Return the seconds that a process, its children and those that have ended have computed."""
    ticks = 0
    for pid in _list_tree(root):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _measure_tree_gb(root: int) -> float:
    total_kb = 0
    for pid in _list_tree(root):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total_kb += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1e6


def measure_html(model: Path, folder: Path, count: int) -> list[Measurement]:
    """Return the seconds, the most memory and the size of a page of so many small pictures."""
    pictures = folder / f"small-{count}"
    pictures.mkdir()
    for number in range(count):
        blob = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(blob).resize((SMALL_SIDE_PX, SMALL_SIDE_PX))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        (pictures / f"{number:04}.jpg").write_bytes(buffer.getvalue())
    page = folder / f"{count}.html"
    words = ["detection", "--any-picture", "--model", str(model.absolute()), str(pictures)]
    seconds, peak_gb = measure_process([*words, "--html", str(page)], folder)
    return [
        Measurement(f"--html of {count} small pictures", seconds, "s"),
        Measurement("peak resident memory of that", peak_gb, "GB", promised_max=MAX_PAGE_GB),
        Measurement("size of its page", page.stat().st_size / 1e6, "MB"),
    ]


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.speed.many_pictures"))
