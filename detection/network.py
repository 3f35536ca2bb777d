"""Run the network of a detector on judged squares: probabilities, and the nearest generators."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from detection.detections import JudgedSquare, ProbabilityRange
from runtime import console
from training.attribution.head_outputs import find_nearest_generators
from training.calibration import combine_qualities
from training.detectors import saved_models
from training.detectors.card import Card
from training.onnx_files import onnx_models

NetworkRunner = Callable[[np.ndarray], list[np.ndarray]]
"""From pixels, float32 (n, side, side, 3), 0..255, to probabilities (n, 1) and, where the detector
names generators, the outputs of each head, (n, generators)."""


def read_network(folder: Path, card: Card) -> bytes:
    """Return the bytes of a detector's network, to be held in memory: its file may change.

    Raises:
        PlainError: the file is missing or was altered.
    """
    model = saved_models.read_verified_model(folder, card, saved_models.ONNX_FILE)
    return onnx_models.add_outputs(model, card.attribution.tensors if card.attribution else ())


def open_network(folder: Path, network: bytes, threads: int = 0) -> NetworkRunner:
    """Open a detector's network.

    Args:
        folder: of the detector, for messages.
        network: as read_network returns it.
        threads: for one batch; 0 for one on every core.

    Raises:
        PlainError: it lacks what its card says.
    """
    try:
        return onnx_models.open_onnx_outputs(network, threads)
    except Exception as error:  # ONNX Runtime's own types share no base
        if not onnx_models.is_missing_output(error):
            raise
        raise console.PlainError(
            f"{folder} lacks the outputs by which its card names generators. Restore it, or train "
            "the detector again.",
            console.EXIT_BAD_MODEL,
        ) from None


def judge_squares(
    card: Card, pixels: Sequence[np.ndarray], run: NetworkRunner
) -> list[JudgedSquare]:
    """Return the answer to every judged square.

    A batch has no more squares than images, or than a core runs together: sixteen faces of each
    image in one batch would be gigabytes in a large base.

    Args:
        pixels: of the squares of every image, uint8 (squares * qualities, side, side, 3).
    """
    if not pixels:
        return []
    n_qualities = len(card.qualities)
    size = n_qualities * max(len(pixels), onnx_models.IMAGES_PER_CORE)
    views = np.concatenate(pixels)
    probabilities, outputs = [], []
    for start in range(0, len(views), size):
        batch = views[start : start + size].astype(np.float32)
        answers, *of_heads = run(batch)
        probabilities.append(onnx_models.select_probabilities(answers, len(batch)))
        outputs.append(of_heads)
    combined = combine_qualities(np.concatenate(probabilities).reshape(-1, n_qualities))
    ranges = [ProbabilityRange(*map(float, row)) for row in zip(*combined, strict=True)]
    if card.attribution is None:
        return list(map(JudgedSquare, ranges))
    nearest = find_nearest_generators(
        card.attribution, card.search.weights, len(ranges), n_qualities, outputs
    )
    return list(map(JudgedSquare, ranges, nearest))
