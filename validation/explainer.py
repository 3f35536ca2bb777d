"""saved_models/<name>/explainer/: what draws heat maps and finds similar training faces without Keras.

Validation writes it once the detector's maps were checked; detection reads it in a tenth of a second. `taps.onnx` gives the
activations that the heads look at, `explainer.npz` holds the heads and the places of training images in the space of the
features, `explainer.json` says what the checks found and which detector all of it belongs to.
"""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from data_collection import checked_json, console, manifest
from data_collection.manifest import FaceRecord
from training import onnx_files, saved_models
from training.detector import Column
from training.saved_models import Card
from validation.feature_space import COMPONENTS
from validation.heat_maps import Checks, Opener
from validation.shares import Head, Look, Shares, Taps

FOLDER, FACTS, TAPS, ARRAYS = "explainer", "explainer.json", "taps.onnx", "explainer.npz"
VERSION = 2

CANONICAL = re.compile(r"images/(real|generated)/[0-9a-f]{2}/[0-9a-f]{64}\.jpg")
"""Paths of a data set's canonical pictures: a file that somebody hands on must not name others, which a page would show."""


@dataclass(frozen=True)
class Similar:
    """A training image near to the judged one in the space of the detector's features.

    Attributes:
        file: its canonical picture, in the data set of the training, if that is still there.
        distance: Euclidean, in standardised features reduced to the COMPONENTS directions in which training images differ most.
    """

    file: Path
    label: str
    source: str
    distance: float


@dataclass(frozen=True)
class Known:
    """Training images: features (n, width) of records of a data set's folder."""

    folder: Path
    records: Sequence[FaceRecord]
    features: np.ndarray


class Explainer:
    """Heat maps and similar training faces of one saved detector."""

    def __init__(self, shares: Shares, taps: Callable[[np.ndarray], Taps], checks: Checks, arrays: dict, known: dict):
        self.checks, self.width = checks, shares.width
        self._shares, self._taps, self._arrays, self._known = shares, taps, arrays, known

    @classmethod
    def load(cls, folder: Path, card: Card) -> "Explainer":
        """Opens what validation left beside a detector, after comparing hashes.

        Raises:
            PlainError: there is nothing, it belongs to another detector, or the detector's maps failed their checks.
        """
        try:
            return cls._load(folder, card, _facts(folder / FOLDER))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise console.PlainError(
                f"{folder / FOLDER / FACTS} is damaged; run python -m validation again.", console.BAD_MODEL
            ) from None

    @classmethod
    def _load(cls, folder: Path, card: Card, facts: dict | None) -> "Explainer":
        if not facts or facts["detector_sha256"] != card.sha256[saved_models.ONNX_FILE]:
            raise console.PlainError(
                f"{folder.name} has no heat maps yet; python -m validation makes them, if they pass two checks."
            )
        checks = Checks(**facts["checks"])
        if not checks.passed:
            raise console.PlainError(
                f"{folder.name} has no heat maps: they failed their checks (validation found them right on {checks.won:.0%} of "
                f"{checks.images} images, and {checks.alike:.2f} like those of random weights)."
            )
        for name, sha256 in facts["sha256"].items():
            if not (folder / FOLDER / name).is_file() or onnx_files.sha256(folder / FOLDER / name) != sha256:
                raise console.PlainError(
                    f"{folder / FOLDER / name} was altered or is missing; run python -m validation again.", console.BAD_MODEL
                )
        with np.load(folder / FOLDER / ARRAYS, allow_pickle=False) as archive:
            arrays = dict(archive.items())
        heads = [_head(number, described, arrays) for number, described in enumerate(facts["heads"])]
        run, keys = onnx_files.many(folder / FOLDER / TAPS), [tuple(each) for each in facts["taps"]]

        def taps(pixels: np.ndarray) -> Taps:
            return dict(zip(keys, run(pixels.astype(np.float32)), strict=True))

        known = facts["known"]
        if known and len(known["images"]) != len(arrays["known_places"]):
            raise ValueError
        return cls(Shares(heads), taps, checks, arrays, known)

    def look(self, pixels: np.ndarray) -> Look:
        """Features, logits and maps of pixels 0..255, (n, side, side, 3)."""
        return self._shares.look(self._taps(pixels))

    def similar(self, features: np.ndarray, count: int = 6) -> list[Similar]:
        """The training images nearest to one image's features (width,), the nearest first; empty if none are known."""
        if not self._known:
            return []
        there = self._arrays["known_places"]
        here = ((features - self._arrays["known_mean"]) / self._arrays["known_deviation"]) @ self._arrays["known_components"].T
        apart = np.linalg.norm(there - here, axis=1)
        folder, images = Path(self._known["folder"]), self._known["images"]
        return [
            Similar(folder / images[place]["image"], images[place]["label"], images[place]["source"], float(apart[place]))
            for place in np.argsort(apart, kind="stable")[:count]
            if CANONICAL.fullmatch(images[place]["image"])
        ]


def write(folder: Path, card: Card, opened: Opener, checks: Checks, known: Known | None) -> None:
    """Writes what `Explainer.load` reads; nothing but the verdict where the maps failed their checks.

    Args:
        known: training images to find similar ones among; None if the data set of the training is not there as it was.
    """
    place, sha256 = folder / FOLDER, card.sha256[saved_models.ONNX_FILE]
    told = {"version": VERSION, "detector_sha256": sha256, "checks": asdict(checks)}
    before = _facts(place) or {}
    if told.items() <= before.items() and bool(before["known"]) == bool(known):
        return
    shutil.rmtree(place, ignore_errors=True)
    more = _made(place, opened, known) if checks.passed else {"known": {}}
    manifest.write_whole(place / FACTS, (json.dumps({**told, **more}, indent=1) + "\n").encode())


def _made(place: Path, opened: Opener, known: Known | None) -> dict[str, object]:
    place.mkdir(parents=True)
    anatomy = opened()
    with console.err.status("exporting what draws heat maps"):
        onnx_files.export(anatomy.activations, place / TAPS)
    heads = anatomy.shares.heads
    arrays = {name: array for number, head in enumerate(heads) for name, array in _arrays(number, head).items()}
    np.savez(place / ARRAYS, **arrays, **(_places(known.features) if known else {}))
    return {
        "taps": anatomy.keys,
        "heads": [_described(head) for head in heads],
        "known": {"folder": str(known.folder), "images": [_told(record) for record in known.records]} if known else {},
        "sha256": {name: onnx_files.sha256(place / name) for name in (TAPS, ARRAYS)},
    }


def _arrays(number: int, head: Head) -> dict[str, np.ndarray]:
    parts = {"mean": head.mean, "scale": head.scale}
    for depth, (kernel, bias) in enumerate(head.layers):
        parts |= {f"kernel{depth}": kernel, f"bias{depth}": bias}
    return {f"head{number}_{name}": array for name, array in parts.items()}


def _described(head: Head) -> dict[str, object]:
    return {
        "columns": [dataclasses.astuple(column) for column in head.columns],
        "weight": head.weight,
        "depth": len(head.layers),
    }


def _places(features: np.ndarray) -> dict[str, np.ndarray]:
    from sklearn.decomposition import PCA

    mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0) + 1e-6)
    reduce = PCA(min(COMPONENTS, *features.shape), random_state=0)
    places = reduce.fit_transform((features - mean) / deviation)
    found = {"mean": mean, "deviation": deviation, "components": reduce.components_, "places": places}
    return {f"known_{name}": array.astype(np.float32) for name, array in found.items()}


def _told(record: FaceRecord) -> dict[str, str]:
    return {"image": record.image, "label": record.label, "source": record.source}


def _head(number: int, described: dict, arrays: dict[str, np.ndarray]) -> Head:
    def array(name: str) -> np.ndarray:
        return arrays[f"head{number}_{name}"]

    layers = [(array(f"kernel{depth}"), array(f"bias{depth}")) for depth in range(described["depth"])]
    return Head([Column(*each) for each in described["columns"]], array("mean"), array("scale"), layers, described["weight"])


def _facts(place: Path) -> dict | None:
    """None without a readable file of this version."""
    try:
        facts = checked_json.parsed((place / FACTS).read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and facts.get("version") == VERSION else None
