"""Time a search over a million rows of random features on disk, and measure its memory.

Run `python -m benchmarks.speed.scale`.

The features are as wide as MobileNetV2's top layer. The promise is about the process's own memory;
the figure that includes pages of the features, which the system holds in memory as long as nobody
else needs it, is reported beside it.
"""

import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tyro

from benchmarks.measuring import Measurement, print_measurements
from runtime import console
from training.features.feature_cache import advise_random_access

FEATURE_WIDTH, WRITTEN_ROWS_PER_BLOCK = 1280, 10_000
CLASS_SEPARATION = 0.15
"""Distance of the two classes in the first 32 features, in standard deviations."""


def main(
    rows: int = 1_000_000,
    trials: int = 16,
    epochs: int = 2,
    batch_size: int = 512,
    work_folder: Path | None = None,
    out: Path | None = None,
) -> None:
    """Write the features, search heads on them, and report time and memory.

    Args:
        rows: number of images, both classes together.
        trials: number of heads, trained in one batch.
        epochs: epochs of each trial.
        batch_size: rows of a training step.
        work_folder: folder for the features, five kilobytes a row (default: a
            temporary one).
        out: JSON file for the figures.
    """
    from training import keras_startup

    keras_startup.start_keras()
    with tempfile.TemporaryDirectory(dir=work_folder) as folder:
        started = time.monotonic()
        values, labels = write_synthetic_features(Path(folder), rows)
        console.print_message(
            f"{values.nbytes / 1e9:.1f} GB of features written in "
            f"{time.monotonic() - started:.0f} s."
        )
        from training.features.layout import Column
        from training.features.training_features import SplitFeatures, TrainingFeatures
        from training.head_search import search
        from training.run_folders import RunFolders
        from training.settings import SearchConfig

        n_train = rows * 85 // 100
        columns = [Column(224, "top", "mean", 0, FEATURE_WIDTH)]
        train = SplitFeatures(values[:n_train], labels[:n_train])
        validation = SplitFeatures(values[n_train:], labels[n_train:])
        features = {"mobilenet_v2": TrainingFeatures(columns, train, validation)}
        folders = RunFolders(Path(folder), Path(folder) / "logs", Path(folder))
        config = SearchConfig(
            tuner="random", trials=trials, epochs=epochs, batch_size=batch_size, seed=0
        )
        started = time.monotonic()
        with watch_own_memory() as own_gb:
            results = search.search_heads(features, config, "", folders)
        seconds = time.monotonic() - started
    figures = [
        Measurement(
            f"search: {rows:,} rows of {FEATURE_WIDTH} features, {trials} heads of {epochs} epochs",
            seconds,
            "s",
        ),
        Measurement(
            "rows of training and validation, all heads together",
            rows * epochs * trials / seconds,
            "/s",
        ),
        Measurement("peak of its own memory", max(own_gb), "GB", promised_max=4.0),
        Measurement(
            "peak memory with the cached pages of the features",
            read_memory_gb("VmHWM"),
            "GB",
        ),
        Measurement(
            "validation AUC of the best head", max(trial.auc for trial in results), promised_min=0.7
        ),
    ]
    print_measurements("Scale", figures)
    if out:
        out.write_text(json.dumps([asdict(figure) for figure in figures]))


def write_synthetic_features(folder: Path, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return memory-mapped features of shape (rows, 1, FEATURE_WIDTH), and labels."""
    rng = np.random.default_rng(0)
    labels = (rng.random(rows) < 0.5).astype(np.int64)
    values = np.memmap(
        folder / "features", dtype=np.float32, mode="w+", shape=(rows, 1, FEATURE_WIDTH)
    )
    for start in range(0, rows, WRITTEN_ROWS_PER_BLOCK):
        block = rng.standard_normal(
            (min(WRITTEN_ROWS_PER_BLOCK, rows - start), FEATURE_WIDTH), dtype=np.float32
        )
        block[:, :32] += CLASS_SEPARATION * (
            2 * labels[start : start + WRITTEN_ROWS_PER_BLOCK, None] - 1
        )
        values[start : start + WRITTEN_ROWS_PER_BLOCK, 0] = block
    values.flush()
    return advise_random_access(
        np.memmap(folder / "features", dtype=np.float32, mode="r", shape=values.shape)
    ), labels


@contextlib.contextmanager
def watch_own_memory() -> Iterator[list[float]]:
    """Record the process's own memory in GB, ten times a second."""
    samples_gb, stopped = [read_memory_gb("RssAnon")], threading.Event()

    def watch() -> None:
        while not stopped.wait(0.1):
            samples_gb.append(read_memory_gb("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield samples_gb
    stopped.set()
    watcher.join()


def read_memory_gb(field: str) -> float:
    """Return one field of /proc/self/status in GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e9


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.speed.scale"))
