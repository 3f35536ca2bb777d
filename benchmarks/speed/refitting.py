"""Measure what calibration and sources left out add to a training: `python -m
benchmarks.speed.refitting DATASET`.

It takes the steps of `python -m training`, with a search of its own in a temporary folder. Features
are extracted, or only loaded where the data set has them from before: then the refits are compared
with what is left, and a larger share. CPU seconds are those of all cores: on a busy machine they
say more than seconds.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import tyro

from benchmarks.measuring import Measurement, print_measurements
from runtime import console
from training.bases.base_models import BASE_MODELS
from training.settings import TrainingSettings

MIN_ALLOWED_S = 15.0
"""The refits may take as many seconds, or half of the other steps' time, whichever is more."""


class StepTimer:
    """Seconds and CPU seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    @contextlib.contextmanager
    def time_step(self, name: str) -> Iterator[None]:
        before = time.perf_counter(), time.process_time()
        yield
        after = time.perf_counter(), time.process_time()
        self.seconds[name] = after[0] - before[0], after[1] - before[1]


def main(
    dataset: tyro.conf.Positional[Path],
    data: Path = Path("data"),
    base: str = "mobilenet_v2",
    sizes: tuple[int, ...] = (224,),
) -> None:
    """Train a detector, and print the seconds of each step.

    Args:
        dataset: folder or name of a data set with several sources of either class.
        data: folder of all data sets.
        base: whose features are used, a name in BASE_MODELS.
        sizes: input sizes in pixels.
    """
    if base not in BASE_MODELS:
        raise console.PlainError(f"--base {base} is unknown. Choose {', '.join(BASE_MODELS)}.")
    from training import keras_startup

    keras_startup.start_keras()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingSettings(
            dataset=dataset,
            data=data,
            bases=(base,),
            sizes=sizes,
            accept_shortcuts=True,
            saved_models=Path(folder),
            logs=Path(folder),
        )
        seconds = time_training(settings, Path(folder))
    print_measurements("Training, step by step", describe_steps(seconds))


def time_training(settings: TrainingSettings, folder: Path) -> dict[str, tuple[float, float]]:
    """Return seconds and CPU seconds of each step of a training; it writes to the folder."""
    from training import run_features, train
    from training.final_detector import detector_cuts, save_detector
    from training.run_folders import RunFolders

    folders = RunFolders(folder, folder / "logs", folder / "saved_models")
    run = replace(train.prepare_run(settings), folders=folders)
    timer = StepTimer()
    with timer.time_step("features"):
        extractors, features = run_features.extract_features(run)
    with timer.time_step("baselines"):
        baselines = train.fit_baselines(run, features)
    with timer.time_step("search"):
        trials = train.search_heads(run, extractors, features)
    with timer.time_step("final detector"):
        detector = train.train_final_detectors(run, features, trials, baselines)
    with timer.time_step("refits"):
        cuts = detector_cuts.set_detector_cuts(run, extractors, features, detector)
    with timer.time_step("saving"):
        save_detector.save_final_detector(run, extractors, detector, trials, baselines, cuts)
    return timer.seconds


def describe_steps(seconds: dict[str, tuple[float, float]]) -> list[Measurement]:
    rows = [
        Measurement(f"{name}, {unit}", values[number], "s")
        for name, values in seconds.items()
        for number, unit in enumerate(("seconds", "CPU seconds"))
    ]
    others, cpu_others = (
        sum(values[number] for name, values in seconds.items() if name != "refits")
        for number in (0, 1)
    )
    refits, cpu_refits = seconds["refits"]
    return [
        *rows,
        Measurement(
            "what the refits add", refits, "s", promised_max=max(MIN_ALLOWED_S, others / 2)
        ),
        Measurement("CPU seconds of the refits over all others", cpu_refits / cpu_others),
    ]


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.speed.refitting"))
