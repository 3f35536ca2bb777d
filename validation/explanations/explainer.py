"""saved_models/<name>/explainer/: what draws heat maps and finds similar training faces without
Keras.

Validation writes it once the detector's maps were checked; detection reads it in a tenth of a
second. `taps.onnx` gives the activations that the heads look at, `explainer.npz` holds the heads
and the places of training images in the space of the features, `explainer.json` says what the
checks found and which detector all of it belongs to.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime import checked_json, console, hashing
from training import onnx_models
from training.detectors import saved_models
from training.detectors.card import Card
from training.features.layout import Column
from validation.explanations.attribution import Attribution, Attributor, NumpyHead, TapActivations
from validation.explanations.heat_maps import HeatMapChecks

EXPLAINER_FOLDER, EXPLAINER_JSON_FILE, EXPLAINER_TAPS_FILE, EXPLAINER_ARRAYS_FILE = (
    "explainer",
    "explainer.json",
    "taps.onnx",
    "explainer.npz",
)
EXPLAINER_VERSION = 3

CANONICAL_PATH_PATTERN = re.compile(r"images/(real|generated)/[0-9a-f]{2}/[0-9a-f]{64}\.jpg")
"""Paths of a data set's canonical pictures: a file that somebody hands on must not name others,
which a page would show."""


@dataclass(frozen=True)
class SimilarFace:
    """A training image near to the judged one in the space of the detector's features.

    Attributes:
        file: its canonical picture, in the data set of the training, if that is still there.
        distance: Euclidean, in standardised features reduced to the COMPONENTS directions in which
            training images differ most.
    """

    file: Path
    label: str
    source: str
    distance: float


class Explainer:
    """Heat maps and similar training faces of one saved detector."""

    def __init__(
        self,
        shares: Attributor,
        taps: Callable[[np.ndarray], TapActivations],
        checks: HeatMapChecks,
        arrays: dict,
        known: dict,
    ):
        self.checks, self.width = checks, shares.width
        self._shares, self._taps, self._arrays, self._known = shares, taps, arrays, known

    @classmethod
    def load(cls, folder: Path, card: Card) -> "Explainer":
        """Opens what validation left beside a detector, after comparing hashes.

        Raises:
            PlainError: there is nothing, it belongs to another detector, or the detector's maps
                failed their checks.
        """
        try:
            return cls._load(folder, card, read_explainer_json(folder / EXPLAINER_FOLDER))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise console.PlainError(
                f"{folder / EXPLAINER_FOLDER / EXPLAINER_JSON_FILE} is damaged; run python -m validation again.",
                console.EXIT_BAD_MODEL,
            ) from None

    @classmethod
    def _load(cls, folder: Path, card: Card, facts: dict | None) -> "Explainer":
        if not facts or facts["detector_sha256"] != card.sha256[saved_models.ONNX_FILE]:
            raise console.PlainError(
                f"{folder.name} has no heat maps yet; python -m validation makes them, if they pass two checks."
            )
        checks = HeatMapChecks(**facts["checks"])
        if not checks.passed:
            raise console.PlainError(
                f"{folder.name} has no heat maps: they failed their checks (they beat random masks "
                f"on {checks.masking_win_rate:.0%} of {checks.images} images, and correlate "
                f"{checks.randomised_correlation:.2f} with those of random weights)."
            )
        for name, sha256 in facts["sha256"].items():
            if (
                not (folder / EXPLAINER_FOLDER / name).is_file()
                or hashing.hash_file(folder / EXPLAINER_FOLDER / name) != sha256
            ):
                raise console.PlainError(
                    f"{folder / EXPLAINER_FOLDER / name} was altered or is missing; run python -m validation again.",
                    console.EXIT_BAD_MODEL,
                )
        with np.load(
            folder / EXPLAINER_FOLDER / EXPLAINER_ARRAYS_FILE, allow_pickle=False
        ) as archive:
            arrays = dict(archive.items())
        heads = [
            _unpack_head(number, described, arrays)
            for number, described in enumerate(facts["heads"])
        ]
        run, keys = (
            onnx_models.open_onnx_outputs(folder / EXPLAINER_FOLDER / EXPLAINER_TAPS_FILE),
            [tuple(each) for each in facts["taps"]],
        )

        def taps(pixels: np.ndarray) -> TapActivations:
            return dict(zip(keys, run(pixels.astype(np.float32)), strict=True))

        known = facts["known"]
        if known and len(known["images"]) != len(arrays["known_places"]):
            raise ValueError
        return cls(Attributor(heads), taps, checks, arrays, known)

    def look(self, pixels: np.ndarray) -> Attribution:
        """Features, logits and maps of pixels 0..255, (n, side, side, 3)."""
        return self._shares.look(self._taps(pixels))

    def find_similar(self, features: np.ndarray, count: int = 6) -> list[SimilarFace]:
        """The training images nearest to one image's features (width,), the nearest first; empty if
        none are known."""
        if not self._known:
            return []
        there = self._arrays["known_places"]
        here = (
            (features - self._arrays["known_mean"]) / self._arrays["known_deviation"]
        ) @ self._arrays["known_components"].T
        apart = np.linalg.norm(there - here, axis=1)
        folder, images = Path(self._known["folder"]), self._known["images"]
        return [
            SimilarFace(
                folder / images[place]["image"],
                images[place]["label"],
                images[place]["source"],
                float(apart[place]),
            )
            for place in np.argsort(apart, kind="stable")[:count]
            if CANONICAL_PATH_PATTERN.fullmatch(images[place]["image"])
        ]


def _unpack_head(number: int, described: dict, arrays: dict[str, np.ndarray]) -> NumpyHead:
    def array(name: str) -> np.ndarray:
        return arrays[f"head{number}_{name}"]

    layers = [
        (array(f"kernel{depth}"), array(f"bias{depth}")) for depth in range(described["depth"])
    ]
    return NumpyHead(
        [Column(*each) for each in described["columns"]],
        array("mean"),
        array("scale"),
        layers,
        described["weight"],
    )


def read_explainer_json(place: Path) -> dict | None:
    """None without a readable file of this version."""
    try:
        facts = checked_json.parse_json((place / EXPLAINER_JSON_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and facts.get("version") == EXPLAINER_VERSION else None
