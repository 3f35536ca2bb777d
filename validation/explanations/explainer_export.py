"""Write saved_models/<name>/explainer/, which Explainer.load reads."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from runtime import atomic_files, console, hashing
from training import onnx_models
from training.detectors import saved_models
from training.detectors.card import Card
from validation.explanations.attribution import NumpyHead
from validation.explanations.explainer import (
    EXPLAINER_ARRAYS_FILE,
    EXPLAINER_FOLDER,
    EXPLAINER_JSON_FILE,
    EXPLAINER_TAPS_FILE,
    EXPLAINER_VERSION,
    read_explainer_json,
)
from validation.explanations.feature_space import FEATURE_SPACE_COMPONENTS
from validation.explanations.heat_maps import DetectorLoader, HeatMapChecks


@dataclass(frozen=True)
class TrainingImageFeatures:
    """Training images: features (n, width) of records of a data set's folder."""

    folder: Path
    records: Sequence[FaceRecord]
    features: np.ndarray


def write_explainer(
    folder: Path,
    card: Card,
    opened: DetectorLoader,
    checks: HeatMapChecks,
    known: TrainingImageFeatures | None,
) -> None:
    """Writes what `Explainer.load` reads; nothing but the verdict where the maps failed their
    checks.

    Args:
        known: training images to find similar ones among; None if the data set of the training is
            not there as it was.
    """
    place, sha256 = folder / EXPLAINER_FOLDER, card.sha256[saved_models.ONNX_FILE]
    told = {"version": EXPLAINER_VERSION, "detector_sha256": sha256, "checks": asdict(checks)}
    before = read_explainer_json(place) or {}
    if told.items() <= before.items() and bool(before["known"]) == bool(known):
        return
    shutil.rmtree(place, ignore_errors=True)
    more = _export_explainer(place, opened, known) if checks.passed else {"known": {}}
    atomic_files.write_atomically(
        place / EXPLAINER_JSON_FILE, (json.dumps({**told, **more}, indent=1) + "\n").encode()
    )


def _export_explainer(
    place: Path, opened: DetectorLoader, known: TrainingImageFeatures | None
) -> dict[str, object]:
    place.mkdir(parents=True)
    anatomy = opened()
    with console.err.status("exporting what draws heat maps"):
        onnx_models.export_onnx(anatomy.activations, place / EXPLAINER_TAPS_FILE)
    heads = anatomy.shares.heads
    arrays = {
        name: array
        for number, head in enumerate(heads)
        for name, array in _pack_head_arrays(number, head).items()
    }
    np.savez(
        place / EXPLAINER_ARRAYS_FILE,
        **arrays,
        **(_project_training_images(known.features) if known else {}),
    )
    return {
        "taps": anatomy.keys,
        "heads": [_describe_head(head) for head in heads],
        "known": {
            "folder": str(known.folder),
            "images": [_describe_training_image(record) for record in known.records],
        }
        if known
        else {},
        "sha256": {
            name: hashing.hash_file(place / name)
            for name in (EXPLAINER_TAPS_FILE, EXPLAINER_ARRAYS_FILE)
        },
    }


def _pack_head_arrays(number: int, head: NumpyHead) -> dict[str, np.ndarray]:
    parts = {"mean": head.mean, "scale": head.scale}
    for depth, (kernel, bias) in enumerate(head.layers):
        parts |= {f"kernel{depth}": kernel, f"bias{depth}": bias}
    return {f"head{number}_{name}": array for name, array in parts.items()}


def _describe_head(head: NumpyHead) -> dict[str, object]:
    return {
        "columns": [dataclasses.astuple(column) for column in head.columns],
        "weight": head.weight,
        "depth": len(head.layers),
    }


def _project_training_images(features: np.ndarray) -> dict[str, np.ndarray]:
    from sklearn.decomposition import PCA

    mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0) + 1e-6)
    reduce = PCA(min(FEATURE_SPACE_COMPONENTS, *features.shape), random_state=0)
    places = reduce.fit_transform((features - mean) / deviation)
    found = {
        "mean": mean,
        "deviation": deviation,
        "components": reduce.components_,
        "places": places,
    }
    return {f"known_{name}": array.astype(np.float32) for name, array in found.items()}


def _describe_training_image(record: FaceRecord) -> dict[str, str]:
    return {"image": record.image, "label": record.label, "source": record.source}
