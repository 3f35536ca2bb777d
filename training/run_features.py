"""Extract the features that a training run uses, and say what that took."""

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
    side = data.choose_side(settings.sizes)
    signals = BASE_MODELS[base].select_signals(settings.signals)
    return Extractor(weights, settings.sizes, side, settings.engine, signals)


def extract_base_features(run: TrainingRun, base: str) -> tuple[Extractor, TrainingFeatures]:
    """Compute the features of one base, and print how many forward passes that took.

    Raises:
        PlainError: too few sources for `--heads logistic`.
    """
    settings, data = run.settings, run.data
    extractor = open_extractor(settings, data, base)
    console.print_message(f"{base}: {extractor.weights.note}.")
    records = data.train + data.validation
    table = feature_cache.load_or_compute_features(
        data.folder, records, extractor, range(settings.views)
    )
    judged = feature_cache.load_or_compute_features(
        data.folder, data.validation, extractor, canonical.list_judgement_views()
    )
    n_views = len(records) * settings.views
    console.print_message(
        f"{base}: {table.forward_passes} forward passes ({len(records)} images x "
        f"{settings.views} views = {n_views}, {n_views - table.forward_passes} of them cached), "
        f"{table.values.shape[2]} features per image."
    )
    n_train = len(data.train)
    train, validation = (
        SplitFeatures(
            values,
            data.encode_labels(part),
            [record.source for record in part],
            judged,
            [record.group for record in part],
        )
        for values, part, judged in (
            (table.values[:n_train], data.train, None),
            (table.values[n_train:], data.validation, judged.values),
        )
    )
    is_logistic = settings.heads == "logistic"
    if is_logistic and not has_many_sources(train.labels, train.sources):
        raise console.PlainError(
            f"--heads logistic ranks heads by sources left out: it needs {MIN_RANKED_SOURCES} "
            "sources of photographs and of generated images. Use --heads networks."
        )
    return extractor, TrainingFeatures(table.columns, train, validation, table.values, is_logistic)
