"""Train a detector without each source, score that source, and write the report."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from runtime import console
from runtime.terminal.counting import format_count
from training import dataset, run_features, train
from training.calibration import sigmoid
from training.dataset import Dataset
from training.features import feature_cache
from training.features.extractor import Extractor
from training.features.training_features import TrainingFeatures
from training.final_detector import detector_cuts
from training.final_detector.final_detector import FinalDetector
from training.head_search.head_spec import HeadTrial
from training.head_search.heads import HEAD_SPACE_VERSION
from training.refits.refit_cuts import RefitCuts
from training.run_folders import RunFolders, TrainingRun
from training.settings import TrainingSettings
from validation import plain_json
from validation.generators.named_generators import NOT_NAMED, choose_names
from validation.leave_source_out import plan, report
from validation.leave_source_out.history_control import load_reprocessed_features
from validation.leave_source_out.plan import SourcePlan
from validation.leave_source_out.results import SourceScores, read_scores
from validation.leave_source_out.settings import LeaveSourceOutSettings

RESULT_VERSION = 3
"""Part of the key of stored scores; raise it when they mean something else."""

UNUSED_SETTINGS = ("dataset", "data", "logs", "saved_models", "name", "sources", "engine")
"""Settings that change no score."""

LATER_SETTINGS = ("history_control", "span_bases")
"""Settings younger than stored scores, whose key has them only if they differ from the default."""

HeadChooser = Callable[
    [TrainingRun, Mapping[str, Extractor], Mapping[str, TrainingFeatures]], list[HeadTrial]
]
"""Chooses heads as train.search_heads does, best first."""

JudgedFeatures = Mapping[str, Mapping[str, np.ndarray]]
"""Features by base and image, each of shape (qualities, width)."""


def evaluate_left_out_sources(settings: LeaveSourceOutSettings) -> None:
    """Train and score without every source in turn, and write and print the report.

    Raises:
        PlainError: no data set, an altered one, or no source that can be left out.
    """
    data = dataset.load_dataset(settings.data, settings.dataset)
    rows = score_left_out_sources(settings, data)
    report.write_report(settings, data, rows)
    report.print_report(rows)


def score_left_out_sources(
    settings: LeaveSourceOutSettings, data: Dataset, choose_heads: HeadChooser | None = None
) -> list[SourceScores]:
    """Return the scores of every source by a detector not trained on it; stored ones are read.

    Args:
        choose_heads: replaces the search; its name is part of the key of the stored scores.
    """
    plans = plan.plan_sources(data, settings.sources)
    folder = data.folder / report.LEAVE_SOURCE_OUT_FOLDER
    files = {
        source_plan.source: folder / _name_file(settings, source_plan, choose_heads)
        for source_plan in plans
    }
    missing = [source_plan for source_plan in plans if not files[source_plan.source].is_file()]
    if missing:
        console.print_heading("Features of the frozen bases")
        judged = load_judged_features(settings, data)
        reprocessed = load_reprocessed_features(settings, data) if settings.history_control else {}
        splits.record_hold_out_opening(data.folder, "leave-source-out")
        console.print_heading(f"{format_count(len(missing), 'detector')}, each without a source")
        for source_plan in console.track_progress(missing, "detectors", len(missing)):
            scores = score_source(settings, source_plan, judged, reprocessed, choose_heads)
            plain_json.write_plain_json(files[source_plan.source], scores)
            console.print_message(report.describe_scores(scores))
    return [read_scores(files[source_plan.source]) for source_plan in plans]


def load_judged_features(settings: TrainingSettings, data: Dataset) -> JudgedFeatures:
    """Return the features of all accepted images as they are judged, and cache those of training.

    Every detector afterwards finds its features in the cache.
    """
    accepted = manifest.select_accepted(data.records, *splits.SPLITS)
    judged = {}
    for base in settings.bases:
        extractor = run_features.open_extractor(settings, data, base)
        console.print_message(f"{base}: {extractor.weights.note}.")
        judgement_views = canonical.list_judgement_views()
        # Every image is decoded once for all views.
        feature_cache.load_or_compute_features(
            data.folder,
            data.train + data.validation,
            extractor,
            [*range(settings.views), *judgement_views],
        )
        table = feature_cache.load_or_compute_features(
            data.folder, accepted, extractor, judgement_views
        )
        judged[base] = {
            record.id: values for record, values in zip(accepted, table.values, strict=True)
        }
    return judged


def score_source(
    settings: TrainingSettings,
    source_plan: SourcePlan,
    judged: JudgedFeatures,
    reprocessed: JudgedFeatures,
    choose_heads: HeadChooser | None = None,
) -> SourceScores:
    """Train a detector without the source; score the source and the hold-out of the others.

    Args:
        reprocessed: of the history control; empty without it.
    """
    started = time.monotonic()
    detector, cuts = _train_detector(settings, source_plan, choose_heads or train.search_heads)
    bases = [ensemble.base for ensemble in detector.ensembles]

    def stack(features: JudgedFeatures, records: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return {base: np.stack([features[base][record.id] for record in records]) for base in bases}

    def compute_logits(
        features: JudgedFeatures, records: Sequence[FaceRecord]
    ) -> tuple[tuple[float, ...], ...]:
        return tuple(map(tuple, detector.compute_logits(stack(features, records)).tolist()))

    def name_generators(records: Sequence[FaceRecord]) -> tuple[str, ...]:
        return _name_generators(detector, cuts, stack(judged, records))

    return SourceScores(
        source=source_plan.source.name,
        label=Dataset.encode_labels(source_plan.unseen[:1]).item(),
        base=" and ".join(bases),
        heads=tuple(head.spec.describe() for head in detector.heads),
        seconds=time.monotonic() - started,
        calibration=cuts.calibration,
        unseen_logits=compute_logits(judged, source_plan.unseen),
        unseen_groups=_number_groups(source_plan.unseen),
        hold_out_logits=compute_logits(judged, source_plan.hold_out),
        hold_out_labels=tuple(Dataset.encode_labels(source_plan.hold_out).tolist()),
        hold_out_groups=_number_groups(source_plan.hold_out),
        reprocessed_logits=compute_logits(reprocessed, source_plan.unseen) if reprocessed else (),
        generators=cuts.attribution.generators if cuts.attribution else (),
        unseen_names=name_generators(source_plan.unseen),
        hold_out_names=name_generators(source_plan.hold_out),
        hold_out_sources=tuple(record.source for record in source_plan.hold_out),
    )


def _name_generators(
    detector: FinalDetector, cuts: RefitCuts, judged: Mapping[str, np.ndarray]
) -> tuple[str, ...]:
    """Return the generator that is named for every image; nothing if none is ever named.

    Args:
        judged: features of the images by base.
    """
    if cuts.attribution is None:
        return ()
    names = choose_names(cuts.attribution, detector.compute_generator_logits(judged))
    lowest = sigmoid(detector.compute_logits(judged).min(axis=1))
    is_generated = lowest >= cuts.calibration.point.generated_above
    return tuple(np.where(is_generated, names, NOT_NAMED).tolist())


def _train_detector(
    settings: TrainingSettings, source_plan: SourcePlan, choose_heads: HeadChooser
) -> tuple[FinalDetector, RefitCuts]:
    """Train a detector without the source, and set its cuts; nothing is printed or kept."""
    was_quiet, console.err.quiet = console.err.quiet, True
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = TrainingRun(
                settings=settings,
                data=source_plan.data,
                folders=RunFolders(Path(folder), Path(folder) / "logs", Path(folder)),
                name=source_plan.source.name,
                banner="",
            )
            extractors, features = run_features.extract_features(run)
            trials = choose_heads(run, extractors, features)
            detector = train.train_final_detectors(run, features, trials, ())
            cuts = detector_cuts.set_detector_cuts(run, extractors, features, detector)
    finally:
        console.err.quiet = was_quiet
    return detector, cuts


def _number_groups(records: Sequence[FaceRecord]) -> tuple[int, ...]:
    numbers = np.unique([record.group for record in records], return_inverse=True)[1]
    return tuple(numbers.tolist())


def _name_file(
    settings: LeaveSourceOutSettings, source_plan: SourcePlan, choose_heads: HeadChooser | None
) -> str:
    """Return a name that changes with everything that the scores depend on."""
    options = {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.name not in UNUSED_SETTINGS
        and not (field.name in LATER_SETTINGS and getattr(settings, field.name) == field.default)
    }
    key = [
        RESULT_VERSION,
        HEAD_SPACE_VERSION,
        manifest.compute_fingerprint(source_plan.data.records),
        source_plan.source.label,
        source_plan.source.name,
        options,
    ]
    key += [choose_heads.__qualname__] if choose_heads else []
    text = json.dumps(plain_json.convert_to_plain(key), sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
