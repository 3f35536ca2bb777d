"""Heat maps of single images, and the two checks that they must pass before any is shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from runtime import console
from training.features import pixels
from validation.explanations.attribution import HEAT_MAP_GRID_SIDE
from validation.explanations.tapped_detector import TappedDetector
from validation.predictions import Scorer
from validation.result_cache import compute_in_chunks, load_or_compute

HEAT_MAP_VERSION = 3
"""Part of the cache key: raise it with every change to how maps are computed, checked or saved."""

MASKED_CELLS_PER_MAP = round(0.2 * HEAT_MAP_GRID_SIDE * HEAT_MAP_GRID_SIDE)
RANDOM_MASKS_PER_IMAGE = 8
MAX_RANDOMISED_CORRELATION = 0.3
MIN_MASKING_WIN_RATE = 0.7
MIN_CHECKED_IMAGES = 20
"""With fewer images the checks mean little: useless maps win on three of three images once in eight
times."""

MAX_RANDOMISED_IMAGES = 16
HEAT_MAP_CHUNK_IMAGES = 8


@dataclass(frozen=True)
class HeatMapChecks:
    """Checks that heat maps must pass before they are shown.

    Attributes:
        images: number of images whose maps were checked.
        masking_win_rate: share of images whose logit falls further when the highest fifth of the
            map's cells is filled with its mean colour than when random cells are (mean of
            RANDOM_MASKS_PER_IMAGE draws).
        randomised_correlation: mean absolute rank correlation of a map with that of random weights
            (Adebayo et al. 2018).
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
"""Load the detector in Keras, once; cached results need neither the detector nor TensorFlow."""


def compute_heat_maps(
    folder: Path, records: Sequence[FaceRecord], load_detector: DetectorLoader, scorer: Scorer
) -> np.ndarray:
    """Return one map per record: each cell's contribution to the logit, (n, HEAT_MAP_GRID_SIDE,
    HEAT_MAP_GRID_SIDE)."""

    def compute_chunk(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        pixels = load_canonical_pixels(folder, chunk, scorer)
        return {"maps": load_detector().compute_attribution(pixels).maps}

    def load_or_compute_chunk(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return load_or_compute(
            scorer.cache_folder,
            "maps",
            [HEAT_MAP_VERSION, HEAT_MAP_GRID_SIDE, *scorer.compute_cache_key(chunk)],
            lambda: compute_chunk(chunk),
        )

    return compute_in_chunks(records, HEAT_MAP_CHUNK_IMAGES, "heat maps", load_or_compute_chunk)[
        "maps"
    ]


def load_canonical_pixels(
    folder: Path, records: Sequence[FaceRecord], scorer: Scorer
) -> np.ndarray:
    """Return the pixels that the detector sees at its first quality, uint8 (n, side, side, 3)."""
    view = canonical.list_judgement_views(scorer.qualities)[0]
    rows = (replace(record, crop=scorer.crop) for record in records)
    return np.stack(
        [pixels.load_canonical_view(folder, row, scorer.image_size, view) for row in rows]
    )


def check_heat_maps(
    folder: Path,
    records: Sequence[FaceRecord],
    maps: np.ndarray,
    load_detector: DetectorLoader,
    scorer: Scorer,
) -> HeatMapChecks:
    """Run both sanity checks on these records and their maps."""

    def compute_checks() -> dict[str, np.ndarray]:
        pairs = console.track_progress(
            list(zip(records, maps, strict=True)), "checking the maps", len(records)
        )
        wins = [
            _beats_random_masks(load_canonical_pixels(folder, [record], scorer)[0], cells, scorer)
            for record, cells in pairs
        ]
        subset = records[:MAX_RANDOMISED_IMAGES]
        pixels = load_canonical_pixels(folder, subset, scorer)
        with load_detector().with_random_weights() as randomised:
            randomised_maps = randomised.compute_attribution(pixels).maps
            return {
                "masking_win_rate": np.mean(wins),
                "randomised_correlation": _compute_rank_correlation(
                    maps[: len(subset)], randomised_maps
                ),
            }

    checks = load_or_compute(
        scorer.cache_folder,
        "map-checks",
        [HEAT_MAP_VERSION, HEAT_MAP_GRID_SIDE, *scorer.compute_cache_key(records)],
        compute_checks,
    )
    return HeatMapChecks(
        images=len(records), **{name: float(value) for name, value in checks.items()}
    )


def _beats_random_masks(picture: np.ndarray, heat_map: np.ndarray, scorer: Scorer) -> bool:
    hottest = np.argsort(-heat_map.ravel())[:MASKED_CELLS_PER_MAP]
    rng = np.random.default_rng(0)
    masks = [
        hottest,
        *(
            rng.permutation(HEAT_MAP_GRID_SIDE * HEAT_MAP_GRID_SIDE)[:MASKED_CELLS_PER_MAP]
            for _ in range(RANDOM_MASKS_PER_IMAGE)
        ),
    ]
    probabilities = scorer.score(
        np.stack([fill_cells_with_mean(picture, cells) for cells in masks])
    ).astype(np.float64)
    logits = np.log(np.clip(probabilities, 1e-12, None) / np.clip(1 - probabilities, 1e-7, None))
    return bool(logits[0] < logits[1:].mean())


def fill_cells_with_mean(picture: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the picture (side, side, 3) with each of these cells of the grid filled with its mean
    colour."""
    out = picture.astype(np.float32)
    edges = np.linspace(0, len(picture), HEAT_MAP_GRID_SIDE + 1).round().astype(int)
    for row, column in zip(*divmod(cells, HEAT_MAP_GRID_SIDE), strict=True):
        cell = out[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
        cell[:] = cell.mean(axis=(0, 1))
    return out


def _compute_rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return float(
        np.mean(
            [
                abs(spearmanr(a.ravel(), b.ravel()).statistic)
                for a, b in zip(first, second, strict=True)
            ]
        )
    )
