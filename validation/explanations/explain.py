"""explain_detector(): heat maps and their checks, similar faces, a feature map, shuffled labels."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from runtime import console
from runtime.plotting import ReportFigure
from training.detectors.card import Card
from validation.data import choose_images, overlap, sampling
from validation.data.evaluation_set import EvaluationSet
from validation.explanations import (
    explainer_export,
    feature_map_figure,
    feature_space,
    heat_maps,
    image_panels,
    negative_controls,
)
from validation.explanations.feature_space import NeighbourPurity, ProjectionMethod
from validation.explanations.heat_maps import DetectorLoader, HeatMapChecks
from validation.explanations.image_panels import ImageExplanations, ImagePanel
from validation.explanations.negative_controls import ShuffledLabelsControl
from validation.explanations.similar_faces import (
    SimilarFace,
    TrainingFaces,
    TrainingImageFeatures,
)
from validation.explanations.tapped_detector import TappedDetector
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer
from validation.result_cache import ArraysByName, load_or_compute
from validation.settings import ValidationSettings

MAX_MAPPED_IMAGES = 1000
"""Maximum of images on the feature map."""

MAX_PROBE_TRAINING_IMAGES = 400
"""Maximum of training images for the control with shuffled labels."""

MIN_MAPPED_IMAGES = 12
"""With fewer images, neighbours and a map say nothing."""

MIN_PROBE_GROUPS_PER_CLASS = 20
"""With fewer groups in a class, the control with shuffled labels says nothing."""

SAMPLES_PER_CLASS = 6
"""Images of each class that are shown with their heat maps besides the most wrong ones."""

PROJECTION_NAMES: dict[ProjectionMethod, str] = {"t-sne": "t-SNE", "umap": "UMAP"}


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """Explanations of a detector for the report.

    Attributes:
        unavailable: reason why there are none; empty otherwise.
        samples: images drawn at random.
        embedding: for TensorBoard's projector: reduced features (n, width), names, and thumbnails,
            uint8 (n, side, side, 3), or None for a report without pictures.
    """

    unavailable: str = ""
    checks: HeatMapChecks | None = None
    samples: Sequence[ImagePanel] = ()
    purities: Sequence[NeighbourPurity] = ()
    shuffled: ShuffledLabelsControl | None = None
    feature_maps: Sequence[ReportFigure] = ()
    embedding: tuple[np.ndarray, list[str], np.ndarray | None] | None = None


def explain_detector(
    settings: ValidationSettings,
    card: Card,
    data: EvaluationSet,
    scored: ScoredImages,
    scorer: Scorer,
) -> tuple[Explanations, ImageExplanations]:
    """Explain the detector, and single images: those that the report shows."""
    if not settings.explained:
        unavailable = "they were left out (--explained 0)."
        return Explanations(unavailable=unavailable), ImageExplanations()
    feature_space.check_projection_installed(settings.projection)
    load_detector = functools.cache(functools.partial(_load_tapped_detector, scorer.folder))
    try:
        return _compute_explanations(settings, card, data, scored, scorer, load_detector)
    except console.PlainError as error:
        if error.exit_code != console.EXIT_BAD_MODEL:
            raise
        return Explanations(unavailable=str(error)), ImageExplanations()


def _load_tapped_detector(folder: Path) -> TappedDetector:
    """Load TensorFlow, and detector.keras after comparing its hash."""
    from training import keras_startup

    keras_startup.start_keras()

    from training.detectors import detector_parts

    return TappedDetector(detector_parts.load_detector_parts(folder))


def _compute_explanations(
    settings: ValidationSettings,
    card: Card,
    data: EvaluationSet,
    scored: ScoredImages,
    scorer: Scorer,
    load_detector: DetectorLoader,
) -> tuple[Explanations, ImageExplanations]:
    indices = {record.id: index for index, record in enumerate(data.records)}
    checked = sampling.sample_records(data.records, settings.explained)
    samples = _choose_samples(checked)
    indices_of_wrong = np.concatenate(list(image_panels.find_most_wrong(scored).values()))
    most_wrong = [data.records[index] for index in indices_of_wrong]
    mapped = {record.id: record for record in [*checked, *most_wrong]}
    arrays = heat_maps.compute_heat_maps(data.folder, list(mapped.values()), load_detector, scorer)
    maps_by_id = dict(zip(mapped, arrays, strict=True))
    checked_maps = np.stack([maps_by_id[record.id] for record in checked])
    checks = heat_maps.check_heat_maps(data.folder, checked, checked_maps, load_detector, scorer)
    maps = maps_by_id if checks.passed else {}
    sample_indices = np.array([indices[record.id] for record in samples])
    panels = (
        image_panels.build_image_panels(
            data.folder, data.records, scored, sample_indices, scorer, ImageExplanations(maps=maps)
        )
        if maps and settings.pictures
        else []
    )
    training = _compute_training_image_features(settings, card, scorer, load_detector)
    shown = TrainingFaces.fit(training) if training and settings.pictures else None
    if data.hold_out_openings:
        explainer_export.write_explainer(scorer.folder, card, load_detector, checks, shown)
    similar = _find_similar_faces(data.folder, most_wrong, scorer, load_detector, shown)
    explanations = Explanations(checks=checks, samples=panels)
    explanations = _add_feature_space(settings, data, scorer, load_detector, training, explanations)
    return explanations, ImageExplanations(maps=maps, similar=similar)


def _find_similar_faces(
    folder: Path,
    records: Sequence[FaceRecord],
    scorer: Scorer,
    load_detector: DetectorLoader,
    shown: TrainingFaces | None,
) -> dict[str, list[SimilarFace]]:
    if not shown:
        return {}
    features, _ = feature_space.compute_features_and_thumbnails(
        folder, records, load_detector, scorer, "features of the most wrong images"
    )
    rows = zip(records, features, strict=True)
    return {record.id: shown.find_similar(values) for record, values in rows}


def _choose_samples(records: Sequence[FaceRecord]) -> list[FaceRecord]:
    return [
        record
        for label in manifest.LABELS
        for record in [r for r in records if r.label == label][:SAMPLES_PER_CLASS]
    ]


def _compute_training_image_features(
    settings: ValidationSettings, card: Card, scorer: Scorer, load_detector: DetectorLoader
) -> TrainingImageFeatures | None:
    """Return features of training images; None without the unchanged training data set."""
    folder = choose_images.find_training_dataset(settings, card)
    records, unknown_reason = overlap.load_training_records(card, folder)
    if unknown_reason:
        return None
    sample = sampling.sample_records(
        [record for record in records if record.split == "train"], MAX_PROBE_TRAINING_IMAGES
    )
    features, _ = feature_space.compute_features_and_thumbnails(
        folder, sample, load_detector, scorer, "features of training images"
    )
    return TrainingImageFeatures(folder, sample, features)


def _add_feature_space(
    settings: ValidationSettings,
    data: EvaluationSet,
    scorer: Scorer,
    load_detector: DetectorLoader,
    training: TrainingImageFeatures | None,
    explanations: Explanations,
) -> Explanations:
    """Add neighbours, the feature map, and the control with shuffled labels."""
    mapped = sampling.sample_records(data.records, MAX_MAPPED_IMAGES)
    if len(mapped) < MIN_MAPPED_IMAGES:
        return explanations
    values, thumbnails = feature_space.compute_features_and_thumbnails(
        data.folder, mapped, load_detector, scorer, "features of the validated images"
    )
    shown = thumbnails if settings.pictures else None
    standardised = feature_space.standardise_features(values, values)
    key = [
        feature_space.FEATURE_SPACE_VERSION,
        settings.projection,
        *scorer.compute_cache_key(mapped),
    ]

    def compute_map() -> ArraysByName:
        reduced = feature_space.reduce_features(standardised)
        points = feature_space.project_features(reduced, settings.projection)
        return {"reduced": reduced, "points": points}

    arrays = load_or_compute(scorer.cache_folder, "map", key, compute_map)
    return dataclasses.replace(
        explanations,
        purities=feature_space.compute_neighbour_purities(standardised, mapped),
        shuffled=_evaluate_shuffled_control(training, mapped, values),
        feature_maps=feature_map_figure.plot_feature_maps(
            arrays["points"], mapped, shown, PROJECTION_NAMES[settings.projection]
        ),
        embedding=(
            arrays["reduced"],
            [f"{record.label}: {record.source}" for record in mapped],
            shown,
        ),
    )


def _evaluate_shuffled_control(
    training: TrainingImageFeatures | None, records: Sequence[FaceRecord], values: np.ndarray
) -> ShuffledLabelsControl | None:
    """Return the control with shuffled labels; None with too few groups or no training images."""
    n_groups = min(
        len({record.group for record in records if record.label == label})
        for label in manifest.LABELS
    )
    if training is None or n_groups < MIN_PROBE_GROUPS_PER_CLASS:
        return None
    training_values, validation_values = (
        feature_space.standardise_features(features, training.features)
        for features in (training.features, values)
    )
    return negative_controls.evaluate_shuffled_labels(
        training_values, training.records, validation_values, records
    )
