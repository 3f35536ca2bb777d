"""Write saved_models/<name>/explainer/, which Explainer.load reads."""

import dataclasses
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from runtime import atomic_files, console, hashing
from training import accelerators
from training.detectors import saved_models
from training.detectors.card import Card
from training.onnx_files import onnx_models
from training.onnx_files.onnx_models import InnerTensor
from validation.explanations.attribution import NumpyHead
from validation.explanations.explainer import (
    EXPLAINER_ARRAYS_FILE,
    EXPLAINER_FOLDER,
    EXPLAINER_JSON_FILE,
    EXPLAINER_VERSION,
    read_explainer_json,
)
from validation.explanations.heat_maps import DetectorLoader, HeatMapChecks
from validation.explanations.similar_faces import TrainingFaces
from validation.explanations.tapped_detector import TappedDetector


def write_explainer(
    folder: Path,
    card: Card,
    load_detector: DetectorLoader,
    checks: HeatMapChecks,
    training: TrainingFaces | None,
) -> None:
    """Write the files that `Explainer.load` reads; only the JSON file if a check failed and there
    are no training images to show.

    Nothing is written if the files are there already.

    Args:
        training: training images to search for similar ones; None without the training data set.
    """
    path, sha256 = folder / EXPLAINER_FOLDER, card.sha256[saved_models.ONNX_FILE]
    header = {"version": EXPLAINER_VERSION, "detector_sha256": sha256, "checks": asdict(checks)}
    existing = read_explainer_json(path) or {}
    if header.items() <= existing.items() and bool(existing["training_images"]) == bool(training):
        return
    shutil.rmtree(path, ignore_errors=True)
    content = (
        _export_explainer(folder, card, load_detector, training)
        if checks.passed or training
        else {"training_images": {}}
    )
    atomic_files.write_atomically(
        path / EXPLAINER_JSON_FILE, (json.dumps({**header, **content}, indent=1) + "\n").encode()
    )


def _export_explainer(
    folder: Path, card: Card, load_detector: DetectorLoader, training: TrainingFaces | None
) -> dict[str, object]:
    path = folder / EXPLAINER_FOLDER
    path.mkdir(parents=True)
    detector = load_detector()
    model = saved_models.read_verified_model(folder, card, saved_models.ONNX_FILE)
    heads = detector.attributor.heads
    arrays = {
        name: array
        for number, head in enumerate(heads)
        for name, array in _pack_head_arrays(number, head).items()
    }
    if training:
        arrays |= {f"training_{name}": array for name, array in training.arrays.items()}
    np.savez(path / EXPLAINER_ARRAYS_FILE, **arrays)
    return {
        "taps": detector.tap_keys,
        "tensors": [dataclasses.astuple(tensor) for tensor in _find_tensors(detector, model)],
        "heads": [_describe_head(head) for head in heads],
        "training_images": {"folder": str(training.folder), "images": list(training.images)}
        if training
        else {},
        "sha256": {EXPLAINER_ARRAYS_FILE: hashing.hash_file(path / EXPLAINER_ARRAYS_FILE)},
    }


def _find_tensors(detector: TappedDetector, model: bytes) -> list[InnerTensor]:
    """Return the detector's activations inside its ONNX model."""
    shape = (1, detector.side, detector.side, 3)
    noise = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    activations = accelerators.call_once(detector.activations, noise)
    try:
        return onnx_models.find_inner_tensors(model, noise, activations)
    except ValueError:
        raise console.PlainError(
            f"{saved_models.ONNX_FILE} does not compute what its heat maps need, so there are none."
            " Train the detector again.",
            console.EXIT_BAD_MODEL,
        ) from None


def _pack_head_arrays(number: int, head: NumpyHead) -> dict[str, np.ndarray]:
    arrays = {"mean": head.mean, "scale": head.scale}
    for depth, (kernel, bias) in enumerate(head.layers):
        arrays |= {f"kernel{depth}": kernel, f"bias{depth}": bias}
    return {f"head{number}_{name}": array for name, array in arrays.items()}


def _describe_head(head: NumpyHead) -> dict[str, object]:
    return {
        "columns": [dataclasses.astuple(column) for column in head.columns],
        "weight": head.weight,
        "depth": len(head.layers),
    }
