"""Give images the file history of the other class, to see whether detectors go by it."""

from collections.abc import Sequence

import numpy as np

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.source_processing import (
    SourceProcessing,
    estimate_source_processing,
)
from data_collection.images import canonical
from training import run_features
from training.dataset import Dataset
from training.features import feature_cache
from training.settings import TrainingSettings


def load_reprocessed_features(
    settings: TrainingSettings, data: Dataset
) -> dict[str, dict[str, np.ndarray]]:
    """Return the features of all images as if a source of the other class had published them.

    Returns:
        By base and image, each of shape (qualities, width), as images are judged.
    """
    accepted = manifest.select_accepted(data.records, *splits.SPLITS)
    features: dict[str, dict[str, np.ndarray]] = {base: {} for base in settings.bases}
    for base, by_image in features.items():
        extractor = run_features.open_extractor(settings, data, base)
        for processing, images in assign_processing(accepted).items():
            table = feature_cache.load_or_compute_features(
                data.folder, images, extractor, canonical.list_judgement_views(), processing
            )
            by_image.update(zip([record.id for record in images], table.values, strict=True))
    return features


def assign_processing(records: Sequence[FaceRecord]) -> dict[SourceProcessing, list[FaceRecord]]:
    """Return the images that get each processing, the usual one of a source of the other class.

    The sources of that class take turns.
    """
    by_source: dict[tuple[str, str], list[FaceRecord]] = {}
    for record in records:
        by_source.setdefault((record.label, record.source), []).append(record)
    assigned: dict[SourceProcessing, list[FaceRecord]] = {}
    for (label, _), images in sorted(by_source.items()):
        others = [key for key in sorted(by_source) if key[0] != label]
        processings = [estimate_source_processing(by_source[key]) for key in others]
        for number, record in enumerate(sorted(images, key=lambda record: record.id)):
            processing = processings[number % len(processings)]
            assigned.setdefault(processing, []).append(record)
    return assigned
