"""Cross-generator evaluation: train a head on each generator, test it on every other."""

from dataclasses import replace

import numpy as np

from data_collection.dataset import source_processing, splits
from runtime import console
from runtime.terminal.counting import format_count
from training import dataset
from training.bases import weights as base_weights
from training.bases.weights import BaseWeights
from training.dataset import Dataset
from training.features import feature_cache
from training.features.extractor import Extractor
from validation.cross_generator import outcomes, plan, report
from validation.cross_generator.head_results import HeadOutcome
from validation.cross_generator.plan import Experiment, ImageSource, SourceImages
from validation.cross_generator.results import CrossGeneratorResult
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures, ReprocessedFeatures


def evaluate_cross_generator(settings: CrossGeneratorSettings) -> None:
    """Train and test every head, open the hold-out once, and write the report.

    The report goes to `cross_generator/` in the data set's folder.

    Raises:
        PlainError: no data set, an altered one, fewer than two generated sources, or weights that
            cannot be loaded.
    """
    data = dataset.load_dataset(settings.data, settings.dataset)
    images = plan.select_source_images(data.records)
    weights = base_weights.find_base_weights(settings.base, settings.weights)
    experiments, left_out = plan.plan_one_generator_each(images), []
    if settings.leave_one_source_out:
        left_out = plan.plan_leave_one_source_out(images)

    console.print_heading("Features of the frozen base")
    features = compute_base_features(data, images, weights, settings)

    console.print_heading(format_count(len(experiments) + len(left_out), "head"))
    n_openings = splits.record_hold_out_opening(data.folder, "cross-generator")
    # Only the heads that leave something out get the history control.
    rows = evaluate_experiments(experiments, images, replace(features, processed={}), settings)
    result = CrossGeneratorResult(
        data=data,
        images=images,
        weights=weights,
        settings=settings,
        hold_out_openings=n_openings,
        rows=rows,
        left_out=evaluate_experiments(left_out, images, features, settings),
    )
    folder = data.folder / report.CROSS_GENERATOR_FOLDER
    report.write_cross_generator_report(result, folder)
    report.log_cross_generator_report(
        result, settings.logs / "validation" / f"cross-generator-{data.folder.absolute().name}"
    )
    report.print_cross_generator_report(result)
    console.print_message(
        f"The page: {folder / report.PAGE_FILE}. Heat map: tensorboard --logdir {settings.logs}"
    )


def compute_base_features(
    data: Dataset,
    images: SourceImages,
    weights: BaseWeights,
    settings: CrossGeneratorSettings,
    extractor_class: type[Extractor] | None = None,
) -> BaseFeatures:
    """Return the features of all images, and of the training images' further views.

    Cached features are not computed again.

    Args:
        extractor_class: `Extractor` by default.
    """
    console.print_message(f"{settings.base}: {weights.note}.")
    # As training does it, so that both share one cache.
    side = data.choose_side((settings.size,))
    extractor = (extractor_class or Extractor)(
        weights, (settings.size,), side, settings.engine, settings.signals
    )
    judged = feature_cache.load_or_compute_features(
        data.folder, images.records, extractor, settings.list_tested_views()
    )
    train = images.rows(images.sources, "train")
    views = feature_cache.load_or_compute_features(
        data.folder, [images.records[row] for row in train], extractor, range(settings.views)
    )
    n_passes = judged.forward_passes + views.forward_passes
    processed = {}
    if settings.history_control:
        processed, n_reprocessed_passes = _compute_reprocessed(data, images, extractor, settings)
        n_passes += n_reprocessed_passes
    console.print_message(
        f"{settings.base}: {n_passes} forward passes, {judged.values.shape[2]} features an image."
    )
    return BaseFeatures(judged.columns, judged.values, views.values, processed)


def _compute_reprocessed(
    data: Dataset, images: SourceImages, extractor: Extractor, settings: CrossGeneratorSettings
) -> tuple[dict[ImageSource, ReprocessedFeatures], int]:
    """Return, by source, the other class's features with its processing, and the passes needed."""
    processed, n_passes = {}, 0
    for source in images.sources:
        processing = source_processing.estimate_source_processing(
            [images.records[row] for row in images.rows([source], *splits.SPLITS)]
        )
        others = np.flatnonzero(images.label != images.label[images.rows([source], "train")[0]])
        table = feature_cache.load_or_compute_features(
            data.folder,
            [images.records[row] for row in others],
            extractor,
            settings.list_tested_views(),
            processing,
        )
        values = np.full((len(images.records), *table.values.shape[1:]), np.nan, np.float32)
        values[others] = table.values
        n_passes += table.forward_passes
        processed[source] = ReprocessedFeatures(processing.name, values)
    return processed, n_passes


def evaluate_experiments(
    experiments: list[Experiment],
    images: SourceImages,
    features: BaseFeatures,
    settings: CrossGeneratorSettings,
) -> list[HeadOutcome]:
    steps = console.track_progress(experiments, "heads", len(experiments))
    return [
        outcomes.evaluate_experiment(experiment, images, features, settings) for experiment in steps
    ]
