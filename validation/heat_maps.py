"""Heat maps of single pictures, and the two checks without which none is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_collection import console
from data_collection.manifest import FaceRecord
from training import feature_cache
from validation.anatomy import Anatomy
from validation.kept import in_chunks, kept
from validation.predictions import Judge
from validation.shares import GRID

VERSION = 2
"""Part of what is kept: raise it with every change to how maps are made or checked."""

MASKED = round(0.2 * GRID * GRID)
RANDOM_MASKS = 8
MOST_ALIKE = 0.3
FEWEST_WON = 0.7
FEWEST = 20
"""Images on which the checks mean something: a useless map wins three of three images once in eight times."""

RANDOMISED_IMAGES = 16
CHUNK = 8


@dataclass(frozen=True)
class Checks:
    """Whether heat maps say something about this detector.

    Attributes:
        images: on which the maps were checked.
        won: share of them whose logit falls further when the map's highest fifth of cells is painted over with its mean colour
            than when random cells are (mean of RANDOM_MASKS draws).
        alike: mean size of the rank correlation of a map with that of random weights (Adebayo et al. 2018).
    """

    images: int
    won: float
    alike: float

    @property
    def passed(self) -> bool:
        return self.images >= FEWEST and self.won >= FEWEST_WON and self.alike < MOST_ALIKE


Opener = Callable[[], Anatomy]
"""Opens the detector in Keras, once; what is kept needs neither that nor TensorFlow."""


def maps(folder: Path, records: Sequence[FaceRecord], opened: Opener, judge: Judge) -> np.ndarray:
    """One map for each record: by how much every cell moved the logit, (n, GRID, GRID)."""

    def make(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return {"maps": opened().look(pixels(folder, chunk, judge)).maps}

    def work(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return kept(judge.folder / "kept", "maps", [VERSION, GRID, *judge.key(chunk)], lambda: make(chunk))

    return in_chunks(records, CHUNK, "heat maps", work)["maps"]


def pixels(folder: Path, records: Sequence[FaceRecord], judge: Judge) -> np.ndarray:
    """What the detector sees: uint8 (n, side, side, 3)."""
    rows = (replace(record, crop=judge.crop) for record in records)
    return np.stack([feature_cache.canonical(folder, row, judge.image_size, 0) for row in rows])


def check(folder: Path, records: Sequence[FaceRecord], found: np.ndarray, opened: Opener, judge: Judge) -> Checks:
    """Both sanity checks on these records, whose maps are `found`."""

    def make() -> dict[str, np.ndarray]:
        pairs = console.progress(list(zip(records, found, strict=True)), "checking the maps", len(records))
        won = [_won(pixels(folder, [record], judge)[0], each, judge) for record, each in pairs]
        few = records[:RANDOMISED_IMAGES]
        with opened().randomised() as random:
            return {"won": np.mean(won), "alike": _alike(found[: len(few)], random.look(pixels(folder, few, judge)).maps)}

    answer = kept(judge.folder / "kept", "map-checks", [VERSION, GRID, *judge.key(records)], make)
    return Checks(len(records), float(answer["won"]), float(answer["alike"]))


def _won(picture: np.ndarray, found: np.ndarray, judge: Judge) -> bool:
    highest = np.argsort(-found.ravel())[:MASKED]
    draw = np.random.default_rng(0)
    cells = [highest, *(draw.permutation(GRID * GRID)[:MASKED] for _ in range(RANDOM_MASKS))]
    probabilities = judge.run(np.stack([painted_over(picture, each) for each in cells])).astype(np.float64)
    logits = np.log(np.clip(probabilities, 1e-12, None) / np.clip(1 - probabilities, 1e-7, None))
    return bool(logits[0] < logits[1:].mean())


def painted_over(picture: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The picture (side, side, 3) with the given cells of the grid filled with their mean colours."""
    out = picture.astype(np.float32)
    edges = np.linspace(0, len(picture), GRID + 1).round().astype(int)
    for row, column in zip(*divmod(cells, GRID), strict=True):
        cell = out[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
        cell[:] = cell.mean(axis=(0, 1))
    return out


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(np.mean([abs(spearmanr(a.ravel(), b.ravel()).statistic) for a, b in zip(one, other, strict=True)]))
