"""Score images that were passed on: original file, chain, decoder, crop, detector."""

import concurrent.futures
import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical, decode
from data_collection.images.errors import NoSingleFace
from validation.result_cache import ArraysByName, compute_in_chunks, load_or_compute
from validation.robustness.robustness import ROBUSTNESS_CHUNK_IMAGES, DistortionScorer
from validation.sharing.chains import (
    SHARING_CHAINS,
    SHARING_VERSION,
    SharedFile,
    SharingChain,
    share_picture,
)


@dataclasses.dataclass(frozen=True)
class SharedScores:
    """Probabilities of images that were passed on.

    Attributes:
        unshared: of the images as they are, (images, qualities).
        probabilities: by the name of the chain, (images, qualities); NaN where the file that
            arrives no longer shows exactly one face, which the detector's crop needs.
        shrunk, enlarged, lost_profile: by the name of the chain, bool (images,).
    """

    unshared: np.ndarray
    probabilities: dict[str, np.ndarray]
    shrunk: dict[str, np.ndarray]
    enlarged: dict[str, np.ndarray]
    lost_profile: dict[str, np.ndarray]


def score_shared(
    folder: Path,
    records: Sequence[FaceRecord],
    scorer: DistortionScorer,
    chains: Sequence[SharingChain] = SHARING_CHAINS,
) -> SharedScores:
    """Score images as they are and after every chain; finished chunks are cached.

    Args:
        folder: the data set's folder.
    """
    key = [
        *scorer.cache_key,
        scorer.image_size,
        scorer.qualities,
        canonical.CANONICALISER_VERSION,
        canonical.DECODER_VERSION,
        SHARING_VERSION,
        [repr((chain.steps, chain.keeps_colours)) for chain in chains],
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:

        def score_chunk(chunk: Sequence[FaceRecord]) -> ArraysByName:
            ids = [[record.id, record.crop] for record in chunk]
            score_image = partial(_score_image, folder, scorer, chains)
            return load_or_compute(
                scorer.cache_folder,
                "sharing",
                [*key, ids],
                partial(_score_chunk, pool, score_image, chunk),
            )

        arrays = compute_in_chunks(
            records, ROBUSTNESS_CHUNK_IMAGES, "scoring images passed on", score_chunk
        )
    facts = [
        {chain.name: arrays[name][:, number] for number, chain in enumerate(chains)}
        for name in ("probabilities", "shrunk", "enlarged", "lost_profile")
    ]
    return SharedScores(arrays["unshared"], *facts)


def _score_chunk(pool, score_image: Callable, chunk: Sequence[FaceRecord]) -> ArraysByName:
    rows = list(pool.map(score_image, chunk))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _score_image(
    folder: Path, scorer: DistortionScorer, chains: Sequence[SharingChain], record: FaceRecord
) -> ArraysByName:
    """Score one image; the probabilities have the shape (chains, qualities)."""
    original = stored_images.read_original(folder, record)
    upright = decode.decode_whole(original).square
    probabilities, files = [], []
    for chain in chains:
        shared = share_picture(chain, original, upright)
        probabilities.append(_score_file(scorer, shared.data, record.crop))
        files.append(dataclasses.replace(shared, data=b""))  # a chunk's files would fill memory
    return {
        "unshared": _score_file(scorer, original, record.crop),
        "probabilities": np.stack(probabilities),
        **_list_effects(files),
    }


def _list_effects(files: Sequence[SharedFile]) -> ArraysByName:
    return {
        name: np.array([getattr(file, name) for file in files])
        for name in ("shrunk", "enlarged", "lost_profile")
    }


def _score_file(scorer: DistortionScorer, data: bytes, crop: str) -> np.ndarray:
    """Return the probabilities of a file, (qualities,); NaN without exactly one face."""
    try:
        face = decode.decode_face(data, crop)
    except NoSingleFace:
        return np.full(len(scorer.qualities), np.nan)
    pixels = canonical.compute_judgement_pixels(face, scorer.image_size, scorer.qualities)
    return np.asarray(scorer.score(pixels), np.float64).reshape(len(scorer.qualities))
