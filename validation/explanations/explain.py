"""explain(): the detector opened -> heat maps and their checks, neighbours, a map of the features,
shuffled labels."""

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
from validation.explanations.explainer_export import TrainingImageFeatures
from validation.explanations.feature_space import NeighbourPurity
from validation.explanations.heat_maps import DetectorLoader, HeatMapChecks
from validation.explanations.image_panels import ImagePanel
from validation.explanations.negative_controls import ShuffledLabelsControl
from validation.explanations.tapped_detector import TappedDetector
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer
from validation.result_cache import load_or_compute
from validation.settings import ValidationSettings

MAX_MAPPED_IMAGES, MAX_PROBE_TRAINING_IMAGES = 1000, 400
"""At most so many images on the map of the features, and of the training split for the shuffled
labels."""

MIN_MAPPED_IMAGES, MIN_PROBE_GROUPS_PER_CLASS = 12, 20
"""Images under which neighbours and a map of them say nothing, and groups of a class under which
shuffled labels do not."""

SAMPLES_PER_CLASS = 6
"""Images of each class that are shown with their heat maps besides the most wrong ones."""

HeatMaps = dict[str, np.ndarray]


@dataclass(frozen=True)
class Explanations:
    """Explanations of a detector for the report.

    Attributes:
        unavailable: reason why there are none; empty otherwise.
        samples: images drawn at random.
        how: "t-SNE" or "UMAP".
        embedding: for TensorBoard's projector: reduced features (n, width), names, and thumbnails,
            uint8 (n, side, side, 3).
    """

    unavailable: str = ""
    checks: HeatMapChecks | None = None
    samples: Sequence[ImagePanel] = ()
    purities: Sequence[NeighbourPurity] = ()
    shuffled: ShuffledLabelsControl | None = None
    how: str = ""
    maps: Sequence[ReportFigure] = ()
    embedding: tuple[np.ndarray, list[str], np.ndarray] | None = None


def explain_detector(
    settings: ValidationSettings,
    card: Card,
    data: EvaluationSet,
    scored: ScoredImages,
    scorer: Scorer,
) -> tuple[Explanations, HeatMaps]:
    """Explain the detector; return heat maps by record id, none if they fail their checks."""
    if not settings.explained:
        return Explanations("they were left out (--explained 0)."), {}
    feature_space.check_projection_installed(settings.projection)
    opened = functools.cache(functools.partial(_load_tapped_detector, scorer.folder))
    try:
        return _compute_explanations(settings, card, data, scored, scorer, opened)
    except console.PlainError as error:
        if error.exit_code != console.EXIT_BAD_MODEL:
            raise
        return Explanations(str(error)), {}


def _load_tapped_detector(folder: Path) -> TappedDetector:
    """Loads TensorFlow, and detector.keras after its hash was compared."""
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
    opened: DetectorLoader,
) -> tuple[Explanations, HeatMaps]:
    place = {record.id: index for index, record in enumerate(data.records)}
    checked = sampling.sample_records(data.records, settings.explained)
    samples = _choose_samples(checked)
    worst = np.concatenate(list(image_panels.find_most_wrong(scored).values()))
    wanted = list(
        {
            record.id: record for record in [*checked, *(data.records[index] for index in worst)]
        }.values()
    )
    found = dict(
        zip(
            [r.id for r in wanted],
            heat_maps.compute_heat_maps(data.folder, wanted, opened, scorer),
            strict=True,
        )
    )
    checks = heat_maps.check_heat_maps(
        data.folder, checked, np.stack([found[r.id] for r in checked]), opened, scorer
    )
    maps = found if checks.passed else {}
    index = np.array([place[record.id] for record in samples])
    shown = (
        image_panels.build_image_panels(data.folder, data.records, scored, index, scorer, maps)
        if maps
        else []
    )
    known = _compute_training_image_features(settings, card, scorer, opened)
    if data.hold_out_openings:
        explainer_export.write_explainer(scorer.folder, card, opened, checks, known)
    return _add_feature_space(
        settings, data, scorer, opened, known, Explanations(checks=checks, samples=shown)
    ), maps


def _choose_samples(records: Sequence[FaceRecord]) -> list[FaceRecord]:
    return [
        each
        for label in manifest.LABELS
        for each in [r for r in records if r.label == label][:SAMPLES_PER_CLASS]
    ]


def _compute_training_image_features(
    settings: ValidationSettings, card: Card, scorer: Scorer, opened: DetectorLoader
) -> TrainingImageFeatures | None:
    """None where the data set of the training is not here as it was."""
    home = choose_images.find_training_dataset(settings, card)
    known, doubt = overlap.load_training_records(card, home)
    if doubt:
        return None
    learnt = sampling.sample_records(
        [record for record in known if record.split == "train"], MAX_PROBE_TRAINING_IMAGES
    )
    return TrainingImageFeatures(
        home,
        learnt,
        feature_space.compute_features_and_thumbnails(
            home, learnt, opened, scorer, "features of training images"
        )[0],
    )


def _add_feature_space(
    settings: ValidationSettings,
    data: EvaluationSet,
    scorer: Scorer,
    opened: DetectorLoader,
    known: TrainingImageFeatures | None,
    so_far: Explanations,
) -> Explanations:
    """Adds neighbours, the map of the features, and the control with shuffled labels."""
    mapped = sampling.sample_records(data.records, MAX_MAPPED_IMAGES)
    if len(mapped) < MIN_MAPPED_IMAGES:
        return so_far
    values, thumbnails = feature_space.compute_features_and_thumbnails(
        data.folder, mapped, opened, scorer, "features of the judged images"
    )
    standard = feature_space.standardise_features(values, values)
    key = [
        feature_space.FEATURE_SPACE_VERSION,
        settings.projection,
        *scorer.compute_cache_key(mapped),
    ]

    def make() -> HeatMaps:
        reduced = feature_space.reduce_features(standard)
        return {
            "reduced": reduced,
            "places": feature_space.project_features(reduced, settings.projection),
        }

    where = load_or_compute(scorer.cache_folder, "map", key, make)
    how = {"t-sne": "t-SNE", "umap": "UMAP"}[settings.projection]
    return dataclasses.replace(
        so_far,
        how=how,
        purities=feature_space.compute_neighbour_purities(standard, mapped),
        shuffled=_evaluate_shuffled_control(known, mapped, values),
        maps=feature_map_figure.plot_feature_maps(where["places"], mapped, thumbnails, how),
        embedding=(
            where["reduced"],
            [f"{record.label}: {record.source}" for record in mapped],
            thumbnails,
        ),
    )


def _evaluate_shuffled_control(
    known: TrainingImageFeatures | None, records: Sequence[FaceRecord], values: np.ndarray
) -> ShuffledLabelsControl | None:
    """None where there are too few groups, or no training images."""
    groups = min(
        len({record.group for record in records if record.label == label})
        for label in manifest.LABELS
    )
    if known is None or groups < MIN_PROBE_GROUPS_PER_CLASS:
        return None
    theirs, mine = (
        feature_space.standardise_features(each, known.features)
        for each in (known.features, values)
    )
    return negative_controls.evaluate_shuffled_labels(theirs, known.records, mine, records)
