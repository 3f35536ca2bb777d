"""Heat maps of single pictures, and the two checks without which none is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from training.features import pixels
from validation.explanations.attribution import HEAT_MAP_GRID_SIDE
from validation.explanations.tapped_detector import TappedDetector
from validation.predictions import Scorer
from validation.result_cache import compute_in_chunks, load_or_compute

HEAT_MAP_VERSION = 2
"""Part of what is kept: raise it with every change to how maps are made or checked."""

MASKED_CELLS_PER_MAP = round(0.2 * HEAT_MAP_GRID_SIDE * HEAT_MAP_GRID_SIDE)
RANDOM_MASKS_PER_IMAGE = 8
MAX_RANDOMISED_CORRELATION = 0.3
MIN_MASKING_WIN_RATE = 0.7
MIN_CHECKED_IMAGES = 20
"""Images on which the checks mean something: a useless map wins three of three images once in eight
times."""

MAX_RANDOMISED_IMAGES = 16
HEAT_MAP_CHUNK_IMAGES = 8


@dataclass(frozen=True)
class HeatMapChecks:
    """Checks that heat maps must pass before they are shown.

    Attributes:
        images: on which the maps were checked.
        masking_win_rate: share of them whose logit falls further when the map's highest fifth of cells is
            painted over with its mean colour than when random cells are (mean of RANDOM_MASKS
            draws).
        randomised_correlation: mean size of the rank correlation of a map with that of random weights (Adebayo et
            al. 2018).
    """

    images: int
    masking_win_rate: float
    randomised_correlation: float

    @property
    def passed(self) -> bool:
        return (
            self.images >= MIN_CHECKED_IMAGES
            and self.masking_win_rate >= MIN_MASKING_WIN_RATE
            and self.randomised_correlation < MAX_RANDOMISED_CORRELATION
        )


DetectorLoader = Callable[[], TappedDetector]
"""Opens the detector in Keras, once; what is kept needs neither that nor TensorFlow."""


def compute_heat_maps(
    folder: Path, records: Sequence[FaceRecord], opened: DetectorLoader, scorer: Scorer
) -> np.ndarray:
    """Return one map per record: each cell's contribution to the logit, (n, GRID, GRID)."""

    def make(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return {"maps": opened().look(load_canonical_pixels(folder, chunk, scorer)).maps}

    def work(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return load_or_compute(
            scorer.cache_folder,
            "maps",
            [HEAT_MAP_VERSION, HEAT_MAP_GRID_SIDE, *scorer.compute_cache_key(chunk)],
            lambda: make(chunk),
        )

    return compute_in_chunks(records, HEAT_MAP_CHUNK_IMAGES, "heat maps", work)["maps"]


def load_canonical_pixels(
    folder: Path, records: Sequence[FaceRecord], scorer: Scorer
) -> np.ndarray:
    """Return the canonical pixels that the detector sees, uint8 (n, side, side, 3)."""
    rows = (replace(record, crop=scorer.crop) for record in records)
    return np.stack([pixels.load_canonical_view(folder, row, scorer.image_size, 0) for row in rows])


def check_heat_maps(
    folder: Path,
    records: Sequence[FaceRecord],
    found: np.ndarray,
    opened: DetectorLoader,
    scorer: Scorer,
) -> HeatMapChecks:
    """Both sanity checks on these records, whose maps are `found`."""

    def make() -> dict[str, np.ndarray]:
        pairs = console.track_progress(
            list(zip(records, found, strict=True)), "checking the maps", len(records)
        )
        won = [
            _beats_random_masks(load_canonical_pixels(folder, [record], scorer)[0], each, scorer)
            for record, each in pairs
        ]
        few = records[:MAX_RANDOMISED_IMAGES]
        with opened().randomised() as random:
            return {
                "won": np.mean(won),
                "alike": _compute_rank_correlation(
                    found[: len(few)], random.look(load_canonical_pixels(folder, few, scorer)).maps
                ),
            }

    answer = load_or_compute(
        scorer.cache_folder,
        "map-checks",
        [HEAT_MAP_VERSION, HEAT_MAP_GRID_SIDE, *scorer.compute_cache_key(records)],
        make,
    )
    return HeatMapChecks(len(records), float(answer["won"]), float(answer["alike"]))


def _beats_random_masks(picture: np.ndarray, found: np.ndarray, scorer: Scorer) -> bool:
    highest = np.argsort(-found.ravel())[:MASKED_CELLS_PER_MAP]
    draw = np.random.default_rng(0)
    cells = [
        highest,
        *(
            draw.permutation(HEAT_MAP_GRID_SIDE * HEAT_MAP_GRID_SIDE)[:MASKED_CELLS_PER_MAP]
            for _ in range(RANDOM_MASKS_PER_IMAGE)
        ),
    ]
    probabilities = scorer.score(
        np.stack([fill_cells_with_mean(picture, each) for each in cells])
    ).astype(np.float64)
    logits = np.log(np.clip(probabilities, 1e-12, None) / np.clip(1 - probabilities, 1e-7, None))
    return bool(logits[0] < logits[1:].mean())


def fill_cells_with_mean(picture: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The picture (side, side, 3) with the given cells of the grid filled with their mean
    colours."""
    out = picture.astype(np.float32)
    edges = np.linspace(0, len(picture), HEAT_MAP_GRID_SIDE + 1).round().astype(int)
    for row, column in zip(*divmod(cells, HEAT_MAP_GRID_SIDE), strict=True):
        cell = out[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
        cell[:] = cell.mean(axis=(0, 1))
    return out


def _compute_rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(
        np.mean(
            [
                abs(spearmanr(a.ravel(), b.ravel()).statistic)
                for a, b in zip(one, other, strict=True)
            ]
        )
    )
