"""matrix(): cached features -> a head for each generated source -> tested on every other ->
printed, a page, TensorBoard."""

from dataclasses import replace

import numpy as np

from data_collection.dataset import source_processing, splits
from runtime import console
from training import dataset
from training.bases import weights as base_weights
from training.bases.weights import BaseWeights
from training.dataset import Dataset
from training.features import feature_cache
from training.features.extractor import Extractor
from validation.cross_generator import outcomes, plan, report
from validation.cross_generator.outcomes import HeadOutcome
from validation.cross_generator.plan import Experiment, SourceImages
from validation.cross_generator.results import CrossGeneratorResult
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures, ReprocessedFeatures


def evaluate_cross_generator(settings: CrossGeneratorSettings) -> None:
    """Trains and tests every head of the matrix, opens the hold-out once, and writes `matrix/` into
    the data set's folder.

    Raises:
        PlainError: no data set, an altered one, fewer than two generated sources, or weights that
            cannot be had.
    """
    data = dataset.load_dataset(settings.data, settings.dataset)
    them = plan.select_source_images(data.records)
    weights = base_weights.find_base_weights(settings.base, settings.weights)
    rows, others = plan.plan_one_generator_each(them), []
    if settings.leave_one_source_out:
        others = plan.plan_leave_one_source_out(them)

    console.print_heading("Features of the frozen base")
    features = compute_base_features(data, them, weights, settings)

    console.print_heading(f"{len(rows) + len(others)} heads")
    opened = splits.record_hold_out_opening(data.folder, "matrix")
    # the history control is of the heads that leave something out
    known = evaluate_experiments(rows, them, replace(features, processed={}), settings)
    found = CrossGeneratorResult(
        data,
        them,
        weights,
        settings,
        opened,
        known,
        evaluate_experiments(others, them, features, settings),
    )
    folder = data.folder / "matrix"
    report.write_cross_generator_report(found, folder)
    report.log_cross_generator_report(
        found, settings.logs / "validation" / f"matrix-{data.folder.absolute().name}"
    )
    report.print_cross_generator_report(found)
    console.print_message(
        f"The page: {folder / 'matrix.html'}. Heat map: tensorboard --logdir {settings.logs}"
    )


def compute_base_features(
    data: Dataset,
    them: SourceImages,
    weights: BaseWeights,
    settings: CrossGeneratorSettings,
    kind: type[Extractor] | None = None,
) -> BaseFeatures:
    """Features of all images, and of the training images' further views; what the cache holds is
    not computed again.

    Args:
        kind: what looks at the pictures.
    """
    console.print_message(f"{settings.base}: {weights.note}.")
    # As training does it, so that both share one cache.
    side = min(settings.size, data.image_size)
    extractor = (kind or Extractor)(
        weights, (settings.size,), side, settings.engine, settings.signals
    )
    plain = feature_cache.load_or_compute_features(
        data.folder, them.records, extractor, settings.test_views
    )
    train = them.rows(them.sources, "train")
    passes, views = plain.forward_passes, plain.values[train, :1]
    if settings.views > 1:
        more = feature_cache.load_or_compute_features(
            data.folder, [them.records[row] for row in train], extractor, settings.views
        )
        passes, views = passes + more.forward_passes, more.values
    processed = {}
    for source in them.sources if settings.history_control else ():
        how = source_processing.estimate_source_processing(
            [them.records[row] for row in them.rows([source], *splits.SPLITS)]
        )
        others = np.flatnonzero(them.label != them.label[them.rows([source], "train")[0]])
        table = feature_cache.load_or_compute_features(
            data.folder, [them.records[row] for row in others], extractor, settings.test_views, how
        )
        values = np.full_like(plain.values[:, 0], np.nan)
        values[others] = table.values.mean(axis=1)
        passes, processed[source] = (
            passes + table.forward_passes,
            ReprocessedFeatures(how.name, values),
        )
    console.print_message(
        f"{settings.base}: {passes} forward passes, {plain.values.shape[2]} features an image."
    )
    # a linear head's mean score is its score of the mean
    return BaseFeatures(plain.columns, plain.values.mean(axis=1), views, processed)


def evaluate_experiments(
    experiments: list[Experiment],
    them: SourceImages,
    features: BaseFeatures,
    settings: CrossGeneratorSettings,
) -> list[HeadOutcome]:
    steps = console.track_progress(experiments, "heads", len(experiments))
    return [outcomes.evaluate_experiment(each, them, features, settings) for each in steps]
