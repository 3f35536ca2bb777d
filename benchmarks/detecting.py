"""`python -m benchmarks.detecting saved_models/NAME PICTURES`: what an answer costs, on the command line and on the page.

Folder and raw ONNX Runtime run in turns on the same pictures; the raw one gets pixels that were prepared before.
"""

import concurrent.futures
import http.client
import itertools
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from benchmarks.measuring import ROOT, Figure, environment, show, timed, whole_process
from data_collection import console
from detection import found_images
from detection.predictor import Detector
from training import onnx_files, saved_models

CLIENTS = 100
COLD = 7
TURNS = 3


def main(model: Annotated[Path, tyro.conf.Positional], pictures: Annotated[Path, tyro.conf.Positional]) -> None:
    """Measure a detector on a folder of pictures.

    Args:
        model: folder of a saved detector.
        pictures: folder of pictures; the first 200 that can be judged are taken.
    """
    show(f"{model.name} on {pictures}", figures(model, pictures))


def figures(model: Path, pictures: Path) -> list[Figure]:
    detector = Detector.load(model)
    found = list(itertools.islice(found_images.find([str(pictures)]), 200))
    paths = [detection.path for detection in detector.predict_all(found) if not detection.error]
    return [*cold_start(model, paths[0]), folder_rate(detector, paths), *page(model, paths)]


def cold_start(model: Path, photo: Path) -> list[Figure]:
    words = ["detection", "--model", str(model.absolute()), str(photo.absolute())]
    with tempfile.TemporaryDirectory() as folder:
        times, memory = zip(*(whole_process(words, Path(folder)) for _ in range(COLD)), strict=True)
    return [
        Figure("detection of one photo from a cold start", statistics.median(times), "s", most=1.0, repetitions=times),
        Figure("peak resident memory of that", max(memory), "GB", most=0.3),
    ]


def folder_rate(detector: Detector, paths: Sequence[Path]) -> Figure:
    """Share of the rate that ONNX Runtime has alone, on pixels that lie ready."""
    raw = onnx_files.streams(detector.folder / saved_models.ONNX_FILE)
    pixels = np.stack([detector.read(path).pixels for path in paths[:64]]).astype(np.float32)
    shares, rates = [], []
    for _ in range(TURNS):
        alone = len(pixels) / timed(lambda: raw(pixels))
        rates.append(len(paths) / timed(lambda: list(detector.predict_all(paths))))
        shares.append(rates[-1] / alone)
    console.say(f"Folder: {statistics.median(rates):.0f} images/s.")
    share = statistics.median(shares)
    return Figure("detection of a folder, of ONNX Runtime's own rate", 100 * share, "%", least=90, repetitions=tuple(shares))


@dataclass(frozen=True)
class Page:
    """A page that was just opened.

    Attributes:
        seconds: from the command to its first answer.
    """

    port: int
    process: subprocess.Popen
    seconds: float

    def ask(self, data: bytes, path: str = "/api/detect?explain=1") -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request("POST" if data else "GET", path, data or None)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, json.loads(body)


@contextmanager
def opened(model: Path) -> Iterator[Page]:
    started = time.perf_counter()
    words = [sys.executable, "-m", "detection", "web", "--model", str(model.absolute()), "--port", "0"]
    with subprocess.Popen(words, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            port = int(re.search(r":(\d+) ", process.stderr.readline())[1])
            Page(port, process, 0).ask(b"", "/api/detector")
            yield Page(port, process, time.perf_counter() - started)
        finally:
            process.terminate()


def page(model: Path, paths: Sequence[Path]) -> list[Figure]:
    data = [path.read_bytes() for path in itertools.islice(itertools.cycle(paths), CLIENTS)]
    with opened(model) as site:
        site.ask(data[0])  # the first answer opens the session
        times = [timed(lambda each=each: site.ask(each)) for each in data[:20]]
        alone = [site.ask(each, "/api/detect")[1].get("probability") for each in data]
        with _watched(site.process) as peak, concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            together = list(pool.map(lambda each: site.ask(each, "/api/detect"), data))
    answers = [(answer, own) for (status, answer), own in zip(together, alone, strict=True) if status == 200]
    right = sum(abs(answer["probability"] - own) < 1e-6 for answer, own in answers)
    away = sum(status == 503 for status, _ in together)
    console.say(f"{CLIENTS} clients at once: {right} right answers, {away} asked to come back, {CLIENTS - right - away} wrong.")
    return [
        Figure("the page, from the command to its first answer", site.seconds, "s", most=2),
        Figure(
            "a verdict of the page, with heat map", 1000 * statistics.median(times), "ms", most=300, repetitions=tuple(times)
        ),
        Figure(f"{CLIENTS} clients at once, neither right nor asked to come back", CLIENTS - right - away, "answers", most=0),
        Figure("resident memory of the page meanwhile", max(peak), "GB", most=2),
    ]


@contextmanager
def _watched(process: subprocess.Popen) -> Iterator[list[float]]:
    """Resident gigabytes of a process, ten times a second, while the block runs."""
    sizes, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            sizes.append(int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e9)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield sizes
    finally:
        stop.set()
        watcher.join()


if __name__ == "__main__":
    console.run(lambda: tyro.cli(main, prog="python -m benchmarks.detecting"))
