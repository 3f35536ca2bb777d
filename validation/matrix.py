"""matrix(): cached features -> a head for each generated source -> tested on every other -> printed, a page, TensorBoard."""

from dataclasses import replace

import numpy as np

from data_collection import console, processing, splits
from training import base_weights, dataset, feature_cache
from training.base_weights import BaseWeights
from training.dataset import Dataset
from training.feature_cache import Extractor
from validation import matrix_outcomes, matrix_plan, matrix_report
from validation.matrix_heads import Features, Processed
from validation.matrix_outcomes import Outcome
from validation.matrix_plan import Experiment, Images
from validation.matrix_results import Matrix
from validation.matrix_settings import MatrixSettings


def matrix(settings: MatrixSettings) -> None:
    """Trains and tests every head of the matrix, opens the hold-out once, and writes `matrix/` into the data set's folder.

    Raises:
        PlainError: no data set, an altered one, fewer than two generated sources, or weights that cannot be had.
    """
    data = dataset.read(settings.data, settings.dataset)
    them = matrix_plan.images(data.records)
    weights = base_weights.find(settings.base, settings.weights)
    rows, others = matrix_plan.matrix(them), []
    if settings.leave_one_source_out:
        others = matrix_plan.leave_one_source_out(them)

    console.heading("Features of the frozen base")
    features = look(data, them, weights, settings)

    console.heading(f"{len(rows) + len(others)} heads")
    opened = splits.record_opening(data.folder, "matrix")
    # the history control is of the heads that leave something out
    known = run_all(rows, them, replace(features, processed={}), settings)
    found = Matrix(data, them, weights, settings, opened, known, run_all(others, them, features, settings))
    folder = data.folder / "matrix"
    matrix_report.write(found, folder)
    matrix_report.log(found, settings.logs / "validation" / f"matrix-{data.folder.absolute().name}")
    matrix_report.show(found)
    console.say(f"The page: {folder / 'matrix.html'}. Heat map: tensorboard --logdir {settings.logs}")


def look(
    data: Dataset, them: Images, weights: BaseWeights, settings: MatrixSettings, kind: type[Extractor] | None = None
) -> Features:
    """Features of all images, and of the training images' further views; what the cache holds is not computed again.

    Args:
        kind: what looks at the pictures.
    """
    console.say(f"{settings.base}: {weights.note}.")
    # As training does it, so that both share one cache.
    side = min(settings.size, data.image_size)
    extractor = (kind or Extractor)(weights, (settings.size,), side, settings.engine, settings.signals)
    plain = feature_cache.features(data.folder, them.records, extractor, settings.test_views)
    train = them.rows(them.sources, "train")
    passes, views = plain.forward_passes, plain.values[train, :1]
    if settings.views > 1:
        more = feature_cache.features(data.folder, [them.records[row] for row in train], extractor, settings.views)
        passes, views = passes + more.forward_passes, more.values
    processed = {}
    for source in them.sources if settings.history_control else ():
        how = processing.usual([them.records[row] for row in them.rows([source], *splits.SPLITS)])
        others = np.flatnonzero(them.label != them.label[them.rows([source], "train")[0]])
        table = feature_cache.features(data.folder, [them.records[row] for row in others], extractor, settings.test_views, how)
        values = np.full_like(plain.values[:, 0], np.nan)
        values[others] = table.values.mean(axis=1)
        passes, processed[source] = passes + table.forward_passes, Processed(how.name, values)
    console.say(f"{settings.base}: {passes} forward passes, {plain.values.shape[2]} features an image.")
    # a linear head's mean score is its score of the mean
    return Features(plain.columns, plain.values.mean(axis=1), views, processed)


def run_all(experiments: list[Experiment], them: Images, features: Features, settings: MatrixSettings) -> list[Outcome]:
    steps = console.progress(experiments, "heads", len(experiments))
    return [matrix_outcomes.run(each, them, features, settings) for each in steps]
