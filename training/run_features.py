"""Extract the features that a training run uses, and say what that took."""

import numpy as np

from data_collection.images import canonical
from runtime import console
from training.bases import weights as base_weights
from training.bases.base_models import BASE_MODELS
from training.dataset import Dataset
from training.features import feature_cache
from training.features.extractor import Extractor
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.head_search.source_folds import (
    MIN_RANKED_SOURCES,
    SOURCE_FOLDS,
    has_many_sources,
)
from training.run_folders import TrainingRun
from training.settings import TrainingSettings


def extract_features(
    run: TrainingRun,
) -> tuple[dict[str, Extractor], dict[str, TrainingFeatures]]:
    """Return extractor and features of the train and validation images, both by base."""
    console.print_heading("Features of the frozen bases")
    extractors = {}
    features = {}
    for base in run.settings.bases:
        extractors[base], features[base] = extract_base_features(run, base)
    generators = next(iter(features.values())).generators
    if generators:
        console.print_message(
            f"Every head has one output per generator ({', '.join(generators)}); "
            "they are combined by log-sum-exp."
        )
    if any(table.is_logistic for table in features.values()):
        console.print_message(
            f"Heads are logistic regressions, ranked by sources left out in {SOURCE_FOLDS} folds."
        )
    return extractors, features


def open_extractor(settings: TrainingSettings, data: Dataset, base: str) -> Extractor:
    weights = base_weights.find_base_weights(base, settings.weights)
    side = data.choose_side(settings.all_sizes)
    signals = BASE_MODELS[base].select_signals(settings.signals)
    return Extractor(weights, settings.select_sizes(base), side, settings.engine, signals)


def extract_base_features(run: TrainingRun, base: str) -> tuple[Extractor, TrainingFeatures]:
    """Compute the features of one base, and print how many forward passes that took.

    Raises:
        PlainError: too few sources for `--heads logistic`.
    """
    settings, data = run.settings, run.data
    extractor = open_extractor(settings, data, base)
    console.print_message(f"{base}: {extractor.weights.note}.")
    values, judged = _load_features(run, extractor)
    n_train, n_validation = len(data.train), len(data.validation)
    train, validation = (
        SplitFeatures(
            values,
            data.encode_labels(part),
            [record.source for record in part],
            judged,
            [record.group for record in part],
        )
        for values, part, judged in (
            (values[:n_train], data.train, None),
            (values[n_train:], data.validation, judged[-n_validation:]),
        )
    )
    is_logistic = settings.heads == "logistic"
    if is_logistic and not has_many_sources(train.labels, train.sources):
        raise console.PlainError(
            f"--heads logistic ranks heads by sources left out: it needs {MIN_RANKED_SOURCES} "
            "sources of photographs and of generated images. Use --heads networks."
        )
    return extractor, TrainingFeatures(
        extractor.columns,
        train,
        validation,
        values,
        judged if len(judged) == len(values) else None,
        is_logistic=is_logistic,
    )


def _load_features(run: TrainingRun, extractor: Extractor) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of both splits to train on, and as images are judged.

    The latter are those of validation alone where several bases compete: only the best one's cuts
    need the train images as judged.
    """
    data, settings = run.data, run.settings
    records = data.train + data.validation
    views, judgement_views = list(range(settings.views)), canonical.list_judgement_views()
    if len(settings.bases) == 1 or settings.span_bases:
        # Every image is decoded once for all views.
        table = feature_cache.load_or_compute_features(
            data.folder, records, extractor, views + judgement_views
        )
        n_passes = table.forward_passes
        values, judged = np.split(table.values, [len(views)], axis=1)
    else:
        tables = [
            feature_cache.load_or_compute_features(data.folder, of_split, extractor, of_views)
            for of_split, of_views in ((records, views), (data.validation, judgement_views))
        ]
        n_passes = sum(table.forward_passes for table in tables)
        values, judged = (table.values for table in tables)
    console.print_message(
        f"{extractor.weights.base}: {n_passes} forward passes for {len(records)} images "
        f"({len(views)} views to train on, {len(judgement_views)} to judge), {extractor.width} "
        "features per image."
    )
    return values, judged
