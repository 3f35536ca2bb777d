"""Compare ways of training on sources that they were not trained on: `python -m
benchmarks.studies.sources_left_out --centre data/twelve --face data/twelve-faces`.

Every way is measured as `python -m validation leave-source-out` does it, on data sets of the same
files: centre squares and face crops. Scores are kept in the data sets, so that an interrupted run
resumes and a new way costs itself alone. The tables go to docs/sources-left-out.md.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.studies.sources_left_out import page
from benchmarks.studies.sources_left_out.page import MeasuredWay
from benchmarks.studies.sources_left_out.ways import COMBINED_WAYS, TRAINING_WAYS, TrainingWay
from runtime import atomic_files, console, options
from training import dataset, run_features
from training.dataset import Dataset
from training.detectors import costs
from training.detectors.card_fields import InferenceCost
from validation.leave_source_out import evaluate
from validation.leave_source_out.results import SourceScores
from validation.leave_source_out.settings import LeaveSourceOutSettings


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Compare ways of training on sources that they were not trained on."""

    centre: Path | None = None
    """Data set of centre squares."""

    face: Path | None = None
    """Data set of face crops, of the same files."""

    ways: tuple[str, ...] = ()
    """Keys of the ways to measure; without them, all."""

    out: Path = Path("docs/sources-left-out.md")
    """Page to write."""

    def __post_init__(self) -> None:
        known = list(dict.fromkeys(way.key for way in TRAINING_WAYS))
        unknown = [key for key in self.ways if key not in known]
        if unknown:
            raise ValueError(f"--ways has {unknown[0]}; there are {', '.join(known)}.")
        if not self.datasets:
            raise ValueError("Name a data set with --centre or --face.")

    @property
    def datasets(self) -> dict[str, Path]:
        """The given data sets by crop."""
        named = {"centre": self.centre, "face": self.face}
        return {crop: folder for crop, folder in named.items() if folder}


def main(settings: StudySettings) -> None:
    by_crop = {}
    for crop, folder in settings.datasets.items():
        data = dataset.load_dataset(folder.parent, folder)
        measured = {
            way.key: measure_way(way, data)
            for way in TRAINING_WAYS
            if way.crop == crop and (way.key in settings.ways or not settings.ways)
        }
        by_crop[crop] = [
            *measured.values(),
            *(
                combine_ways(measured[first], measured[second])
                for first, second in COMBINED_WAYS
                if {first, second} <= measured.keys()
            ),
        ]
    command = options.format_command_line("python -m benchmarks.studies.sources_left_out", settings)
    text = page.render_page(command, by_crop)
    atomic_files.write_atomically(settings.out, text.encode())
    console.print_message(f"Wrote {settings.out}.")


def measure_way(way: TrainingWay, data: Dataset) -> MeasuredWay:
    """Return the scores of every source left out, and the costs of the base.

    Of several bases the dearest one counts, or all that a detector spans.
    """
    console.print_heading(f"{way.name}, {way.crop}")
    settings = make_settings(way, data)
    scores = evaluate.score_left_out_sources(settings, data, way.choose_heads)
    by_base = measure_costs(settings, data)
    if settings.span_bases:
        cost = functools.reduce(add_costs, by_base)
    else:
        cost = max(by_base, key=lambda cost: cost.milliseconds)
    return MeasuredWay(name=way.name, scores=scores, cost=cost)


def make_settings(way: TrainingWay, data: Dataset) -> LeaveSourceOutSettings:
    """Return the settings of `python -m validation leave-source-out` for a way to train."""
    return LeaveSourceOutSettings(data=data.folder.parent, dataset=data.folder, **way.options)


def measure_costs(settings: LeaveSourceOutSettings, data: Dataset) -> list[InferenceCost]:
    """Return the cost of every base, from pixels to features."""
    return [
        costs.measure_cost(run_features.open_extractor(settings, data, base).onnx_path)
        for base in settings.bases
    ]


def combine_ways(first: MeasuredWay, second: MeasuredWay) -> MeasuredWay:
    """Return the mean of two ways' calibrated logits; it has no cuts of its own."""
    scores = [combine_scores(*pair) for pair in zip(first.scores, second.scores, strict=True)]
    return MeasuredWay(
        name=f"mean of {first.name} and {second.name}",
        scores=scores,
        cost=add_costs(first.cost, second.cost),
    )


def add_costs(first: InferenceCost, second: InferenceCost) -> InferenceCost:
    """Return the cost of two networks that both run."""
    return InferenceCost(
        first.parameters + second.parameters,
        first.megabytes + second.megabytes,
        first.milliseconds + second.milliseconds,
    )


def combine_scores(first: SourceScores, second: SourceScores) -> SourceScores:
    """Return scores whose logits are the means of two, without cuts."""
    return replace(
        first,
        unseen_logits=_average(first.unseen_logits, second.unseen_logits),
        hold_out_logits=_average(first.hold_out_logits, second.hold_out_logits),
        calibration=replace(first.calibration, false_alarm_cuts=()),
    )


def _average(first: Sequence, second: Sequence) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, ((np.array(first) + np.array(second)) / 2).tolist()))
