"""Open a saved detector for export, and build the metadata of an exported file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_collection.dataset import manifest
from training.detectors import safe_keras, saved_models
from training.detectors.card import Card

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ExportSource:
    """A verified and loaded detector: its card, the bytes of its two files, and the model."""

    card: Card
    keras_data: bytes
    onnx_data: bytes
    model: "keras.Model"

    @classmethod
    def open(cls, folder: Path, card: Card) -> "ExportSource":
        """Verify and load a saved detector.

        Raises:
            PlainError: a file is missing or altered, or was not written by Telltale.
        """
        keras_data, onnx_data = (
            saved_models.read_verified_model(folder, card, file)
            for file in (saved_models.KERAS_FILE, saved_models.ONNX_FILE)
        )
        model = safe_keras.load_keras_bytes(
            keras_data, folder / saved_models.KERAS_FILE, card.image_size
        )
        return cls(card, keras_data, onnx_data, model)


def build_export_metadata(card: Card) -> dict[str, Any]:
    """Return the metadata of an exported file: strings, numbers and lists of strings by name."""
    side, calibration = card.image_size, card.calibration
    real_below, generated_above = calibration.point.limits
    return {
        "model": card.name,
        "created": card.created,
        "sha256_of_detector_keras": card.sha256.get(saved_models.KERAS_FILE, ""),
        "sha256_of_detector_onnx": card.sha256.get(saved_models.ONNX_FILE, ""),
        "input": f"RGB pixels of 0 to 255, float32, (n, {side}, {side}, 3), as "
        "telltale.prepare(file, folder of the detector) returns them: crop, resizing and JPEG at "
        "each quality happen there, only scaling happens inside",
        "output": "probability of generated, float32, (n, 1); the temperature is applied inside; "
        "the probability for an image is the sigmoid of its mean logit over all qualities; it is "
        "generated if every quality reaches generated_above, real if every one is under "
        "real_below, and otherwise has no answer",
        "classes": list(manifest.LABELS),
        "threshold": calibration.threshold,
        "real_below": real_below,
        "generated_above": generated_above,
        "temperature": calibration.temperature,
        "qualities": list(card.qualities),
        "canonicaliser": card.canonicaliser,
        "crop": card.crop,
        "image_size": side,
        "base": card.base_names,
        "banner": card.banner,
    }


def build_text_metadata(card: Card) -> dict[str, str]:
    """Return the metadata for formats that store strings only; other values become JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in build_export_metadata(card).items()
    }


def build_json_metadata(card: Card) -> str:
    return json.dumps(build_export_metadata(card), indent=1) + "\n"
