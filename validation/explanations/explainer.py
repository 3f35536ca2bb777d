"""Explainer: heat maps and similar training faces without Keras.

Validation writes saved_models/<name>/explainer/ after checking the detector's maps.
`explainer.json` has the results of the checks, the hash of the detector, and which tensors inside
detector.onnx are the activations that the heads use; `explainer.npz` holds the heads and the
embeddings of training images.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import ImageClass
from runtime import checked_json, console, hashing
from training.detectors import saved_models
from training.detectors.card import Card
from training.features.layout import Column
from training.onnx_files import onnx_models
from validation.explanations.attribution import Attribution, Attributor, NumpyHead, TapActivations
from validation.explanations.heat_maps import HeatMapChecks

EXPLAINER_FOLDER, EXPLAINER_JSON_FILE, EXPLAINER_ARRAYS_FILE = (
    "explainer",
    "explainer.json",
    "explainer.npz",
)
EXPLAINER_VERSION = 4

CANONICAL_PATH_PATTERN = re.compile(r"images/(real|generated)/[0-9a-f]{2}/[0-9a-f]{64}\.jpg")
"""Paths of a data set's canonical pictures: a stranger's explainer must not make the page show
other files."""


@dataclass(frozen=True)
class SimilarFace:
    """A training image close to a given image in the detector's feature space.

    Attributes:
        file: its canonical picture in the training data set, which may no longer exist.
        distance: Euclidean, in standardised features reduced to FEATURE_SPACE_COMPONENTS principal
            components.
    """

    file: Path
    label: ImageClass
    source: str
    distance: float


class Explainer:
    """Heat maps and similar training faces of one saved detector."""

    def __init__(
        self,
        attributor: Attributor,
        compute_taps: Callable[[np.ndarray], TapActivations],
        checks: HeatMapChecks,
        arrays: dict,
        training_images: dict,
    ):
        self.checks, self.width = checks, attributor.width
        self._attributor, self._compute_taps = attributor, compute_taps
        self._arrays, self._training_images = arrays, training_images

    @classmethod
    def load(cls, folder: Path, card: Card) -> "Explainer":
        """Load the explainer in a detector's folder, after comparing hashes.

        Raises:
            PlainError: it is missing or damaged, it belongs to another detector, or the maps failed
                their checks.
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
        checks = HeatMapChecks(**content["checks"])
        if not checks.passed:
            raise console.PlainError(
                f"{folder.name} has no heat maps: they failed their checks. On "
                f"{checks.masking_win_rate:.0%} of {checks.images} images, masking the hottest "
                f"cells lowered the score more than masking random ones; the correlation with maps "
                f"of random weights is {checks.randomised_correlation:.2f}."
            )
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

        training_images = content["training_images"]
        if training_images and len(training_images["images"]) != len(arrays["training_embeddings"]):
            raise ValueError
        return cls(Attributor(heads), compute_taps, checks, arrays, training_images)

    def compute_attribution(self, pixels: np.ndarray) -> Attribution:
        """Return features, logits and maps of pixels 0..255, (n, side, side, 3)."""
        return self._attributor.compute_attribution(self._compute_taps(pixels))

    def find_similar(self, features: np.ndarray, count: int = 6) -> list[SimilarFace]:
        """Return the training images closest to one image's features (width,), the closest first;
        empty without training images."""
        if not self._training_images:
            return []
        embedding = (
            (features - self._arrays["training_mean"]) / self._arrays["training_deviation"]
        ) @ self._arrays["training_components"].T
        distances = np.linalg.norm(self._arrays["training_embeddings"] - embedding, axis=1)
        folder, images = Path(self._training_images["folder"]), self._training_images["images"]
        return [
            SimilarFace(
                folder / images[index]["image"],
                images[index]["label"],
                images[index]["source"],
                float(distances[index]),
            )
            for index in np.argsort(distances, kind="stable")[:count]
            if CANONICAL_PATH_PATTERN.fullmatch(images[index]["image"])
        ]


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
