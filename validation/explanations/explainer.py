"""Explainer: heat maps and similar training faces without Keras.

Validation writes saved_models/<name>/explainer/ after checking the detector's maps.
`explainer.json` has the results of the checks, the hash of the detector, and which tensors inside
detector.onnx are the activations that the heads use; `explainer.npz` holds the heads and the
embeddings of training images.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from runtime import checked_json, console, hashing
from training.detectors import saved_models
from training.detectors.card import Card
from training.features.layout import Column
from training.onnx_files import onnx_models
from validation.explanations.attribution import Attribution, Attributor, NumpyHead, TapActivations
from validation.explanations.heat_maps import MIN_CHECKED_IMAGES, HeatMapChecks
from validation.explanations.similar_faces import SimilarFace, TrainingFaces

EXPLAINER_FOLDER, EXPLAINER_JSON_FILE, EXPLAINER_ARRAYS_FILE = (
    "explainer",
    "explainer.json",
    "explainer.npz",
)
EXPLAINER_VERSION = 4


class Explainer:
    """Heat maps and similar training faces of one saved detector.

    Attributes:
        no_heat_maps_reason: why its heat maps must not be shown, in a sentence; empty if they
            passed their checks. Similar training faces do not depend on these.
        training_faces: None if validation has written none.
    """

    def __init__(
        self,
        attributor: Attributor,
        compute_taps: Callable[[np.ndarray], TapActivations],
        no_heat_maps_reason: str,
        training_faces: TrainingFaces | None,
    ):
        self.no_heat_maps_reason, self.training_faces = no_heat_maps_reason, training_faces
        self.width = attributor.width
        self._attributor, self._compute_taps = attributor, compute_taps

    @classmethod
    def load(cls, folder: Path, card: Card) -> "Explainer":
        """Load the explainer in a detector's folder, after comparing hashes.

        Raises:
            PlainError: it is missing or damaged, it belongs to another detector, or there is
                nothing to show: the maps failed their checks, and there are no training images.
        """
        try:
            return cls._load(folder, card, read_explainer_json(folder / EXPLAINER_FOLDER))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise console.PlainError(
                f"{folder / EXPLAINER_FOLDER / EXPLAINER_JSON_FILE} is damaged; run python -m "
                "validation again.",
                console.EXIT_BAD_MODEL,
            ) from None

    @classmethod
    def _load(cls, folder: Path, card: Card, content: dict | None) -> "Explainer":
        if not content or content["detector_sha256"] != card.sha256[saved_models.ONNX_FILE]:
            raise console.PlainError(
                f"{folder.name} has no heat maps yet; python -m validation makes them, if they "
                "pass two checks."
            )
        reason = _explain_failed_checks(folder.name, HeatMapChecks(**content["checks"]))
        if reason and not content["training_images"]:
            raise console.PlainError(reason)
        _verify_explainer_files(folder / EXPLAINER_FOLDER, content["sha256"])
        with np.load(
            folder / EXPLAINER_FOLDER / EXPLAINER_ARRAYS_FILE, allow_pickle=False
        ) as archive:
            arrays = dict(archive.items())
        heads = [
            _unpack_head(number, description, arrays)
            for number, description in enumerate(content["heads"])
        ]
        model = saved_models.read_verified_model(folder, card, saved_models.ONNX_FILE)
        tensors = [onnx_models.InnerTensor(*fields) for fields in content["tensors"]]
        run = onnx_models.open_inner_tensors(model, tensors)
        tap_keys = [tuple(key) for key in content["taps"]]

        def compute_taps(pixels: np.ndarray) -> TapActivations:
            return dict(zip(tap_keys, run(pixels.astype(np.float32)), strict=True))

        training = _unpack_training_faces(content["training_images"], arrays)
        return cls(Attributor(heads), compute_taps, reason, training)

    def compute_attribution(self, pixels: np.ndarray) -> Attribution:
        """Return features, logits and maps of pixels 0..255, (n, side, side, 3)."""
        return self._attributor.compute_attribution(self._compute_taps(pixels))

    def find_similar(self, features: np.ndarray) -> list[SimilarFace]:
        """Return the training images closest to one image's features (width,), the closest first;
        empty without training images."""
        return self.training_faces.find_similar(features) if self.training_faces else []


def _explain_failed_checks(name: str, checks: HeatMapChecks) -> str:
    if checks.passed:
        return ""
    if checks.images < MIN_CHECKED_IMAGES:
        return (
            f"{name} has no heat maps: they were checked on {checks.images} images, and at least "
            f"{MIN_CHECKED_IMAGES} are needed; give python -m validation more images, or a larger "
            "--explained."
        )
    return (
        f"{name} has no heat maps: they failed their checks. On "
        f"{checks.masking_win_rate:.0%} of {checks.images} images, masking the hottest cells "
        "lowered the score more than masking random ones; the correlation with maps of random "
        f"weights is {checks.randomised_correlation:.2f}."
    )


def _unpack_training_faces(content: dict, arrays: dict[str, np.ndarray]) -> TrainingFaces | None:
    if not content:
        return None
    names = ("mean", "deviation", "components", "embeddings")
    faces = TrainingFaces(
        Path(content["folder"]),
        content["images"],
        {name: arrays[f"training_{name}"] for name in names},
    )
    if len(faces.images) != len(faces.arrays["embeddings"]):
        raise ValueError
    return faces


def _verify_explainer_files(path: Path, sha256_by_name: dict[str, str]) -> None:
    for name, sha256 in sha256_by_name.items():
        if not (path / name).is_file() or hashing.hash_file(path / name) != sha256:
            raise console.PlainError(
                f"{path / name} was altered or is missing; run python -m validation again.",
                console.EXIT_BAD_MODEL,
            )


def _unpack_head(number: int, description: dict, arrays: dict[str, np.ndarray]) -> NumpyHead:
    def get_array(name: str) -> np.ndarray:
        return arrays[f"head{number}_{name}"]

    return NumpyHead(
        columns=[Column(*fields) for fields in description["columns"]],
        mean=get_array("mean"),
        scale=get_array("scale"),
        layers=[
            (get_array(f"kernel{depth}"), get_array(f"bias{depth}"))
            for depth in range(description["depth"])
        ],
        weight=description["weight"],
    )


def read_explainer_json(path: Path) -> dict | None:
    """Return the content of explainer.json; None without a readable file of this version."""
    try:
        content = checked_json.parse_json((path / EXPLAINER_JSON_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    is_current = isinstance(content, dict) and content.get("version") == EXPLAINER_VERSION
    return content if is_current else None
