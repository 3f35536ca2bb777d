"""Render figures that compare the classes of a data set, as PNG, for audit.html and TensorBoard.

Only train and validation are shown and measured; no file of the hold-out is opened.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_collection.audit_report.duplicates import render_near_duplicates
from data_collection.audit_report.faces import (
    FACE_GRID_SHAPE,
    render_average_face,
    render_face_grid,
)
from data_collection.audit_report.files import render_file_figures
from data_collection.audit_report.histograms import (
    HISTOGRAM_SPECS,
    render_colour_histograms,
    render_statistic_histograms,
)
from data_collection.audit_report.image_statistics import AUDITED_SPLITS, measure_class_statistics
from data_collection.audit_report.spectra import render_spectra
from data_collection.dataset import manifest
from data_collection.dataset.manifest import LABELS, FaceRecord
from runtime.plotting import ReportFigure

MAX_MEASURED_IMAGES = 1000
"""Half of them real. More images would not move any curve by the width of its line."""


def render_figures(
    folder: Path, records: Sequence[FaceRecord], seed: int = 0
) -> list[ReportFigure]:
    """Render every figure for which the data set has data.

    Raises:
        PlainError: a file of train or validation is missing or was altered.
    """
    audited = manifest.select_accepted(records, *AUDITED_SPLITS)
    samples = {
        label: sample_records(
            [r for r in audited if r.label == label], MAX_MEASURED_IMAGES // 2, seed
        )
        for label in LABELS
    }
    statistics = {
        label: measure_class_statistics(folder, sample)
        for label, sample in samples.items()
        if sample
    }
    if not statistics:
        return []
    return [
        *(
            render_face_grid(
                folder,
                label,
                sample_records(samples[label], FACE_GRID_SHAPE[0] * FACE_GRID_SHAPE[1], seed),
            )
            for label in statistics
        ),
        *(render_average_face(label, of_class) for label, of_class in statistics.items()),
        *(render_statistic_histograms(name, statistics) for name in HISTOGRAM_SPECS),
        render_colour_histograms(statistics),
        *render_spectra(statistics),
        *render_file_figures(audited),
        *render_near_duplicates(folder, audited),
    ]


def sample_records(records: Sequence[FaceRecord], count: int, seed: int) -> list[FaceRecord]:
    """Return at most `count` rows, sampled by `seed`, in the order of `records`."""
    if len(records) <= count:
        return list(records)
    return [
        records[index]
        for index in sorted(np.random.default_rng(seed).choice(len(records), count, replace=False))
    ]
