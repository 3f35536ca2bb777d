"""train(): features of frozen bases -> baselines -> search -> winner trained -> one saved model with its card."""

from collections.abc import Mapping
from dataclasses import replace

from data_collection.audit import audit
from data_collection.dataset import manifest
from runtime import console
from training import calibration, dataset, final_detector, seed_spread, tensorboard_logs
from training.baselines import linear, scratch_training
from training.baselines.linear import Baseline
from training.bases import weights as base_weights
from training.calibration import sigmoid
from training.dataset import Dataset
from training.detectors import card as detector_card
from training.detectors import costs, saved_models
from training.features import feature_cache, pixels
from training.features.extractor import Extractor
from training.features.training_features import TrainingFeatures
from training.final_detector import FinalDetector
from training.head_search import leaderboard, search
from training.settings import TrainingSettings


def train_detector(settings: TrainingSettings) -> None:
    """Searches, trains and saves a detector from a collected data set; the hold-out is not read.

    Raises:
        PlainError: no data set, one whose audit is RED, altered images, or weights that cannot be had.
    """
    data = dataset.load_dataset(settings.data, settings.dataset)
    name = saved_models.choose_free_name(settings.saved_models, settings.name, data.folder.name)
    banner = audit.check_audit_gate(data.folder, data.records, settings.accept_shortcuts)
    if banner:
        console.print_warning(banner)

    console.print_heading("Features of the frozen bases")
    extractors, faces = extract_features(data, settings)

    console.print_heading("Search")
    rivals = fit_baselines(data, faces, settings)
    key = [
        manifest.compute_fingerprint(data.records),
        settings.views,
        [extractor.name for extractor in extractors.values()],
    ]
    trials = search.search_heads(
        faces,
        key,
        data.folder / "searches",
        settings.logs / "training" / f"{data.folder.name}-search",
        settings.tuner,
        settings.trials,
        settings.epochs,
        settings.batch_size,
        settings.seed,
        one_by_one=settings.search == "one-by-one",
    )

    if not trials:
        console.print_message("This worker is done; the chief goes on.")
        return

    if settings.models:
        console.print_heading("Models from scratch")
        side = extractors[settings.bases[0]].side
        rivals += scratch_training.train_scratch_baselines(
            data, side, settings, settings.logs / "training" / name
        )

    console.print_heading("Winner")
    labels, logs = data.labels(data.validation), settings.logs / "training" / name
    best, *others = [
        final_detector.train_final_detector(
            trials,
            faces,
            labels,
            settings.seed + number,
            settings,
            logs / f"seed{number}" if number else logs,
        )
        for number in range(settings.repeats)
    ]
    if others:
        best = replace(best, repeats=seed_spread.print_seed_spread([best, *others], rivals, labels))
    final_detector.save_final_detector(
        name, best, trials, rivals, data, extractors, settings, banner
    )
    log_final_detector(name, best, data, settings)
    leaderboard.print_leaderboard(trials, rivals, labels)
    card = detector_card.read_card(settings.saved_models / name)
    costs.print_cost_table(card)
    useless = calibration.describe_uselessness(
        sigmoid(best.logits / card.calibration.temperature), labels, card.calibration.threshold
    )
    if useless:
        console.print_warning(
            f"{name} {useless} Look at its pictures and labels, or take more of them, other --bases or --trials."
        )
    console.print_message(
        f"Saved {settings.saved_models / name}. Judge it: python -m validation. Use it: python -m detection PHOTO. "
        f"Curves: tensorboard --logdir {settings.logs}"
    )


def extract_features(
    data: Dataset, settings: TrainingSettings
) -> tuple[dict[str, Extractor], dict[str, TrainingFeatures]]:
    """Features of train and validation images for every base, and the count of forward passes."""
    # A picture smaller than the input size is enlarged inside the model, alike for both classes.
    side = min(max(settings.sizes), data.image_size)
    extractors, faces = {}, {}
    for base in settings.bases:
        weights = base_weights.find_base_weights(base, settings.weights)
        console.print_message(f"{base}: {weights.note}.")
        extractors[base] = Extractor(
            weights, settings.sizes, side, settings.engine, settings.signals
        )
        table = feature_cache.load_or_compute_features(
            data.folder, data.train + data.validation, extractors[base], settings.views
        )
        images = len(data.train) + len(data.validation)
        console.print_message(
            f"{base}: {table.forward_passes} forward passes ({images} images x {settings.views} views = "
            f"{images * settings.views}, {images * settings.views - table.forward_passes} of them cached), "
            f"{table.values.shape[2]} features an image."
        )
        held = len(data.train)
        faces[base] = TrainingFeatures(
            table.columns,
            table.values[:held],
            table.values[held:],
            data.labels(data.train),
            data.labels(data.validation),
            [record.source for record in data.train],
            [record.source for record in data.validation],
        )
    generators = next(iter(faces.values())).generators
    if generators:
        console.print_message(
            f"Every head has a voice for each generated source ({', '.join(generators)}); the surest rules."
        )
    return extractors, faces


def fit_baselines(
    data: Dataset, faces: Mapping[str, TrainingFeatures], settings: TrainingSettings
) -> list[Baseline]:
    """The baselines, on the same split: for logistic regression the first base at its first size."""
    labels = data.labels(data.train)
    base, size = settings.bases[0], settings.sizes[0]
    return [
        linear.make_majority_baseline(labels, len(data.validation)),
        linear.fit_metadata_baseline(data.train, data.validation, labels),
        linear.fit_logistic_baseline(
            "logistic regression, top layer", base, faces[base], "top", "mean", size
        ),
        linear.fit_logistic_baseline(
            "logistic regression, all taps", base, faces[base], "all", "mean+std", size
        ),
    ]


def log_final_detector(
    name: str, best: FinalDetector, data: Dataset, settings: TrainingSettings
) -> None:
    """Sample faces as training sees them, a row per view, and the winner's precision-recall curve on the validation split."""
    card = detector_card.read_card(settings.saved_models / name)
    probabilities = sigmoid(best.logits / card.calibration.temperature)
    with tensorboard_logs.open_run_log(settings.logs / "training" / name) as run:
        for label in manifest.LABELS:
            some = [record for record in data.train if record.label == label][:8]
            views = range(min(settings.views, 3))
            pictures = [
                pixels.load_canonical_view(data.folder, r, card.image_size, view)
                for view in views
                for r in some
            ]
            run.picture(f"faces/{label}", tensorboard_logs.make_image_grid(pictures, len(some)))
        run.picture(
            "accuracy_and_latency",
            tensorboard_logs.decode_image(
                (settings.saved_models / name / costs.COST_FIGURE_FILE).read_bytes()
            ),
        )
        run.pr_curve("validation/precision_recall", data.labels(data.validation), probabilities)
        run.scalars({f"validation/{key}": value for key, value in card.metrics.items()})
        run.text(
            "card",
            "```json\n"
            + (settings.saved_models / name / detector_card.CARD_FILE).read_text()
            + "\n```",
        )
