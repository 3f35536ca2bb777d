"""Measure detection on the command line and on the page.

Run `python -m benchmarks.speed.detecting saved_models/NAME IMAGES`. Detection of a folder and raw
ONNX Runtime run in turns on the same images; the raw one gets pixels that were prepared before.
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

from benchmarks.measuring import (
    REPOSITORY_ROOT,
    Measurement,
    build_environment,
    measure_process,
    measure_seconds,
    print_measurements,
)
from detection import image_paths
from detection.predictor import Detector
from runtime import console
from training.detectors import saved_models
from training.onnx_files import onnx_models

CONCURRENT_CLIENTS = 100
COLD_STARTS = 7
TIMED_TURNS = 3


def main(
    model: Annotated[Path, tyro.conf.Positional], images: Annotated[Path, tyro.conf.Positional]
) -> None:
    """Measure a detector on a folder of images.

    Args:
        model: folder of a saved detector.
        images: folder of images; the first 200 that can be scored are used.
    """
    print_measurements(f"{model.name} on {images}", measure_detection(model, images))


def measure_detection(model: Path, images: Path) -> list[Measurement]:
    detector = Detector.load(model, any_picture=True)
    candidates = [
        image.path for image in itertools.islice(image_paths.find_images([str(images)]), 200)
    ]
    paths = [
        detection.path for detection in detector.predict_all(candidates) if not detection.error
    ]
    return [
        *measure_cold_start(model, paths[0]),
        measure_folder_rate(detector, paths),
        *measure_page(model, paths),
    ]


def measure_cold_start(model: Path, photo: Path) -> list[Measurement]:
    arguments = ["detection", "--any-picture", "--model", str(model.absolute())]
    arguments.append(str(photo.absolute()))
    with tempfile.TemporaryDirectory() as folder:
        times, memory = zip(
            *(measure_process(arguments, Path(folder)) for _ in range(COLD_STARTS)), strict=True
        )
    return [
        Measurement(
            "detection of one image from a cold start",
            statistics.median(times),
            "s",
            promised_max=1.0,
            repetitions=times,
        ),
        Measurement("peak resident memory of that", max(memory), "GB", promised_max=0.3),
    ]


def measure_folder_rate(detector: Detector, paths: Sequence[Path]) -> Measurement:
    """Measure the rate of a folder relative to ONNX Runtime alone on prepared pixels.

    ONNX Runtime gets every quality at which detection judges an image, too.
    """
    run_onnx = onnx_models.open_onnx_streams(detector.folder / saved_models.ONNX_FILE)
    views = [detector.read_image(path).pixels for path in paths[:64]]
    pixels = np.concatenate(views).astype(np.float32)
    shares, rates = [], []
    for _ in range(TIMED_TURNS):
        onnx_rate = len(views) / measure_seconds(lambda: run_onnx(pixels))
        rates.append(len(paths) / measure_seconds(lambda: list(detector.predict_all(paths))))
        shares.append(rates[-1] / onnx_rate)
    console.print_message(f"Folder: {statistics.median(rates):.0f} images/s.")
    share = statistics.median(shares)
    return Measurement(
        "detection of a folder, relative to ONNX Runtime alone",
        100 * share,
        "%",
        promised_min=60,
        repetitions=tuple(shares),
    )


@dataclass(frozen=True)
class RunningPage:
    """A running page.

    Attributes:
        seconds: time from the command to the page's first answer.
    """

    port: int
    process: subprocess.Popen
    seconds: float

    def send_request(self, data: bytes, path: str = "/api/detect?explain=1") -> tuple[int, dict]:
        """Return status and answer of a POST of `data`; of a GET if it is empty."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request("POST" if data else "GET", path, data or None)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, json.loads(body)


@contextmanager
def open_page(model: Path) -> Iterator[RunningPage]:
    started = time.perf_counter()
    words = [
        sys.executable,
        "-m",
        "detection",
        "web",
        "--model",
        str(model.absolute()),
        "--port",
        "0",
        "--any-picture",
    ]
    with subprocess.Popen(
        words, cwd=REPOSITORY_ROOT, env=build_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            port = int(re.search(r":(\d+) ", process.stderr.readline())[1])
            RunningPage(port, process, 0).send_request(b"", "/api/detector")
            yield RunningPage(port, process, time.perf_counter() - started)
        finally:
            process.terminate()


def measure_page(model: Path, paths: Sequence[Path]) -> list[Measurement]:
    files = [
        path.read_bytes() for path in itertools.islice(itertools.cycle(paths), CONCURRENT_CLIENTS)
    ]
    with open_page(model) as page:
        page.send_request(files[0])  # the first request opens the session
        times = [measure_seconds(lambda file=file: page.send_request(file)) for file in files[:20]]
        expected = [page.send_request(file, "/api/detect")[1].get("probability") for file in files]
        with (
            _watch_resident_memory(page.process) as memory_gb,
            concurrent.futures.ThreadPoolExecutor(CONCURRENT_CLIENTS) as pool,
        ):
            responses = list(pool.map(lambda file: page.send_request(file, "/api/detect"), files))
    n_correct = sum(
        status == 200 and abs(answer["probability"] - probability) < 1e-6
        for (status, answer), probability in zip(responses, expected, strict=True)
    )
    n_busy = sum(status == 503 for status, _ in responses)
    n_wrong = CONCURRENT_CLIENTS - n_correct - n_busy
    console.print_message(
        f"{CONCURRENT_CLIENTS} clients at once: {n_correct} right answers, {n_busy} asked to come "
        f"back, {n_wrong} wrong."
    )
    return [
        Measurement(
            "the page, from the command to its first answer", page.seconds, "s", promised_max=2
        ),
        Measurement(
            "a verdict of the page, with heat map",
            1000 * statistics.median(times),
            "ms",
            promised_max=300,
            repetitions=tuple(times),
        ),
        Measurement(
            f"{CONCURRENT_CLIENTS} clients at once, neither right nor asked to come back",
            n_wrong,
            "answers",
            promised_max=0,
        ),
        Measurement("resident memory of the page meanwhile", max(memory_gb), "GB", promised_max=2),
    ]


@contextmanager
def _watch_resident_memory(process: subprocess.Popen) -> Iterator[list[float]]:
    """Record the resident memory of a process in GB, ten times a second, while the block runs."""
    samples_gb, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            samples_gb.append(
                int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                * resource.getpagesize()
                / 1e9
            )

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples_gb
    finally:
        stop.set()
        watcher.join()


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.speed.detecting"))
