"""Train a detector: features of frozen bases, baselines, head search, final detector."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection.dataset import manifest
from data_collection.sources import sample
from runtime import console
from training import audit_gate, calibration, dataset, run_features
from training.baselines import linear, scratch_training
from training.baselines.linear import Baseline
from training.calibration import sigmoid
from training.detectors import costs, saved_models
from training.detectors.card import Card
from training.features.extractor import Extractor
from training.features.training_features import TrainingFeatures
from training.final_detector import (
    detector_cuts,
    detector_leaderboard,
    detector_logs,
    ensemble,
    next_steps,
    save_detector,
    seed_comparison,
)
from training.final_detector.final_detector import FinalDetector
from training.head_search import leaderboard, search, tuner_runs
from training.head_search.head_spec import HeadTrial
from training.run_folders import RunFolders, TrainingRun
from training.settings import TrainingSettings


def train_detector(settings: TrainingSettings) -> Path | None:
    """Search, train and save a detector from a collected data set; the hold-out is not read.

    Returns:
        The saved detector's folder; None in a worker of a search, which saves none.

    Raises:
        PlainError: there is no data set, its audit is RED, images were altered, or weights cannot
            be found.
    """
    run = prepare_run(settings)
    extractors, features = run_features.extract_features(run)
    baselines = fit_baselines(run, features)
    trials = search_heads(run, extractors, features)
    if tuner_runs.is_worker():
        console.print_message("This worker is finished; the chief goes on.")
        return None
    baselines += train_scratch_baselines(run, extractors)
    detector = train_final_detectors(run, features, trials, baselines)
    cuts = detector_cuts.set_detector_cuts(run, extractors, features, detector)
    card = save_detector.save_final_detector(run, extractors, detector, trials, baselines, cuts)
    report_detector(run, card, detector, trials, baselines)
    return run.folders.detector(run.name)


def prepare_run(settings: TrainingSettings) -> TrainingRun:
    """Load the data set, check its audit, and reserve a name for the detector."""
    check_search_is_alone(settings)
    data = dataset.load_dataset(settings.data, settings.dataset)
    name = saved_models.choose_free_name(settings.saved_models, settings.name, data.folder.name)
    practice = sample.is_practice_data(data.records)
    pictures = audit_gate.TrainingPictures(
        side=data.choose_side(settings.all_sizes),
        open_extractor=lambda: run_features.open_extractor(settings, data, settings.bases[0]),
    )
    # The sample is RED by nature, and says more than that about itself.
    accept_shortcuts = settings.accept_shortcuts or practice
    warnings = [
        sample.PRACTICE_BANNER if practice else "",
        audit_gate.check_audit(data, pictures, settings.logs, accept_shortcuts),
    ]
    banner = " ".join(filter(None, warnings))
    if banner:
        console.print_warning(banner)
    folders = RunFolders(data.folder, settings.logs / "training", settings.saved_models)
    run = TrainingRun(
        settings=settings, data=data, folders=folders, name=name, banner=banner, practice=practice
    )
    detector_cuts.announce_cuts(data.train + data.validation, run.cut_targets)
    return run


def check_search_is_alone(settings: TrainingSettings) -> None:
    """Raise PlainError if several processes would share what are several searches."""
    if settings.span_bases and tuner_runs.get_chief_address():
        raise console.PlainError(
            "--span-bases has a search for each base, which a chief does not share with workers. "
            "Unset KERASTUNER_ORACLE_IP, KERASTUNER_ORACLE_PORT and KERASTUNER_TUNER_ID."
        )


def fit_baselines(run: TrainingRun, features: Mapping[str, TrainingFeatures]) -> list[Baseline]:
    """Fit the baselines on the same split; logistic regression on the first base and size."""
    data = run.data
    labels = data.encode_labels(data.train)
    base = run.settings.bases[0]
    size = run.settings.select_sizes(base)[0]
    top_layer, all_taps = (
        linear.fit_logistic_baseline(
            f"logistic regression, {title}",
            base,
            features[base],
            taps=taps,
            statistics=statistics,
            size=size,
        )
        for title, taps, statistics in (
            ("top layer", "top", ("mean",)),
            ("all taps", "all", ("mean", "std")),
        )
    )
    return [
        linear.make_majority_baseline(labels, len(data.validation)),
        linear.fit_metadata_baseline(data.train, data.validation, labels),
        top_layer,
        all_taps,
    ]


def search_heads(
    run: TrainingRun,
    extractors: Mapping[str, Extractor],
    features: Mapping[str, TrainingFeatures],
) -> list[HeadTrial]:
    """Run or resume the search over heads; a worker gets no trials.

    A detector on several bases has a search for each, as a detector on that base alone has it.
    """
    console.print_heading("Search")
    if not run.settings.span_bases:
        return _search_bases(run, extractors, features)
    trials: list[HeadTrial] = []
    for base, extractor in extractors.items():
        trials += _search_bases(run, {base: extractor}, {base: features[base]})
    return leaderboard.sort_trials(trials)


def _search_bases(
    run: TrainingRun,
    extractors: Mapping[str, Extractor],
    features: Mapping[str, TrainingFeatures],
) -> list[HeadTrial]:
    dataset_key = [
        manifest.compute_fingerprint(run.data.records),
        run.settings.views,
        run.settings.heads,
        [extractor.name for extractor in extractors.values()],
    ]
    return search.search_heads(features, run.settings.search_config, dataset_key, run.folders)


def train_scratch_baselines(
    run: TrainingRun, extractors: Mapping[str, Extractor]
) -> list[Baseline]:
    """Train the models of --models from scratch, as further baselines."""
    if not run.settings.models:
        return []
    console.print_heading("Models from scratch")
    side = extractors[run.settings.bases[0]].side
    log_folder = run.folders.run_logs(run.name)
    return scratch_training.train_scratch_baselines(run.data, side, run.settings, log_folder)


def train_final_detectors(
    run: TrainingRun,
    features: Mapping[str, TrainingFeatures],
    trials: Sequence[HeadTrial],
    baselines: Sequence[Baseline],
) -> FinalDetector:
    """Train the best heads with each of --repeats seeds, and return the first seed's detector."""
    console.print_heading("Final detector")
    settings, labels = run.settings, run.validation_labels
    log_folder = run.folders.run_logs(run.name)
    repeats = settings.repeats
    if repeats > 1 and trials[0].spec.is_logistic:
        console.print_message(
            "Logistic regression gives the same heads with every seed: --repeats is 1."
        )
        repeats = 1
    first, *others = [
        ensemble.train_final_detector(
            trials,
            features,
            labels,
            settings.seed + number,
            settings,
            log_folder / f"seed{number}" if number else log_folder,
        )
        for number in range(repeats)
    ]
    if not others:
        return first
    groups = [record.group for record in run.data.validation]
    scores = seed_comparison.print_seed_spread([first, *others], baselines, labels, groups)
    return replace(first, repeats=scores)


def report_detector(
    run: TrainingRun,
    card: Card,
    detector: FinalDetector,
    trials: Sequence[HeadTrial],
    baselines: Sequence[Baseline],
) -> None:
    """Log the detector for TensorBoard, print leaderboard and costs, and name the next steps."""
    detector_logs.log_final_detector(run, card, detector)
    detector_leaderboard.print_detector_leaderboard(
        detector.logits, [head.logits for head in detector.heads], baselines, run.data.validation
    )
    leaderboard.print_trials(trials)
    costs.print_cost_table(card)
    for sentence in card.make_statement().list_sentences():
        console.print_message(sentence)
    reason = calibration.describe_uselessness(
        sigmoid(detector.logits), run.validation_labels, card.calibration.threshold
    )
    if reason:
        console.print_warning(
            f"{run.name} {reason} Check its images and labels, collect more of them, or try other "
            "--bases or more --trials."
        )
    next_steps.print_next_steps(next_steps.find_next_steps(card))
    console.print_message(
        f"Saved {run.folders.detector(run.name)}. Validate it: python -m validation. Use it: "
        f"python -m detection PHOTO --model {run.name}. "
        f"Curves: tensorboard --logdir {run.settings.logs}"
    )
