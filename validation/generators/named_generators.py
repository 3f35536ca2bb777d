"""Name the generators of images that are called generated, as detection does."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from training.attribution.attribution import NONE_OF_THE_KNOWN, GeneratorAttribution
from training.attribution.head_outputs import average_outputs
from training.cuts.verdicts import GENERATED
from training.detectors.card import Card
from training.features.pixels import load_judgement_pixels
from training.onnx_files import onnx_models
from validation.metrics.scored_images import ScoredImages
from validation.predictions import SCORES_CHUNK_IMAGES, SCORING_BATCH_IMAGES, Scorer
from validation.result_cache import load_or_compute

NOT_NAMED = ""
"""In place of a name, for an image that is not called generated."""

OutputsRunner = Callable[[np.ndarray], list[np.ndarray]]


def name_generators(
    folder: Path, records: Sequence[FaceRecord], scored: ScoredImages, scorer: Scorer, card: Card
) -> np.ndarray:
    """Return the generator that is named for every image, str (images,).

    It is NONE_OF_THE_KNOWN for none of them, and NOT_NAMED where the answer is not "generated".

    Args:
        folder: base of the records' paths.
        card: of a detector that names generators.
    """
    rows = np.flatnonzero(scored.answers == GENERATED)
    names = np.full(len(records), NOT_NAMED, dtype=object)

    @functools.cache
    def open_heads() -> OutputsRunner:
        model = scorer.read_model()
        run = onnx_models.open_onnx_with_tensors(model, card.attribution.tensors)
        return lambda pixels: run(pixels.astype(np.float32))[1:]

    for start in range(0, len(rows), SCORES_CHUNK_IMAGES):
        chunk = rows[start : start + SCORES_CHUNK_IMAGES]
        images = [replace(records[row], crop=scorer.crop) for row in chunk]

        def compute(images: Sequence[FaceRecord] = images) -> dict[str, np.ndarray]:
            pixels = [
                load_judgement_pixels(folder, image, scorer.image_size, scorer.qualities)
                for image in images
            ]
            return {"outputs": _compute_outputs(np.concatenate(pixels), open_heads(), card)}

        key = [*scorer.compute_cache_key(images), *card.attribution.tensors]
        outputs = load_or_compute(scorer.cache_folder, "generators", key, compute)["outputs"]
        names[chunk] = choose_names(card.attribution, outputs)
    return names


def choose_names(attribution: GeneratorAttribution, outputs: np.ndarray) -> list[str]:
    """Return the answers for images that are called generated.

    Args:
        outputs: calibrated logit of every generator, shape (images, generators).
    """
    answers = [
        nearest and attribution.answer(nearest).closest
        for nearest in attribution.find_nearest(outputs)
    ]
    return [name or NONE_OF_THE_KNOWN for name in answers]


def _compute_outputs(pixels: np.ndarray, run: OutputsRunner, card: Card) -> np.ndarray:
    batches = [
        run(pixels[start : start + SCORING_BATCH_IMAGES])
        for start in range(0, len(pixels), SCORING_BATCH_IMAGES)
    ]
    of_heads = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    return average_outputs(of_heads, card.search.weights, len(card.qualities))
