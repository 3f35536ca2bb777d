"""Find the nearest known generator of images in what the heads of a detector gave for them."""

from collections.abc import Sequence

import numpy as np

from training.attribution.attribution import GeneratorAttribution, NearestGenerator


def find_nearest_generators(
    attribution: GeneratorAttribution,
    weights: Sequence[float],
    n_images: int,
    n_qualities: int,
    batches: Sequence[Sequence[np.ndarray]],
) -> list[NearestGenerator | None]:
    """Return the nearest generator of every image; None if the outputs are not its.

    Args:
        weights: of the heads.
        batches: the outputs of every head for the images at all qualities, each of shape (rows,
            generators).
    """
    parts = [part for batch in batches for part in batch]
    width = len(attribution.generators)
    if any(part.shape[1:] != (width,) or part.dtype != np.float32 for part in parts):
        return [None] * n_images
    outputs = [np.concatenate(rows) for rows in zip(*batches, strict=True)]
    if any(len(values) != n_images * n_qualities for values in outputs):
        return [None] * n_images
    return attribution.find_nearest(average_outputs(outputs, weights, n_qualities))


def average_outputs(
    outputs: Sequence[np.ndarray], weights: Sequence[float], n_qualities: int
) -> np.ndarray:
    """Return the calibrated logit of every generator for every image, (images, generators).

    Args:
        outputs: of every head, each of shape (images * qualities, generators).
        weights: of the heads.
    """
    weighted = sum(
        weight * values.astype(np.float64) for values, weight in zip(outputs, weights, strict=True)
    )
    return weighted.reshape(-1, n_qualities, weighted.shape[1]).mean(axis=1)
