"""Compute features on every core of a Ray cluster, into the cache that one machine would fill.

Each worker is one core: it decodes images, runs them in an ONNX session of its own, and writes
full chunks. A worker that dies loses one chunk, which Ray gives to another worker; an interrupted
run resumes with the missing chunks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.source_processing import SourceProcessing
from runtime import ray_cluster
from training.features import compute_features, pixels
from training.features import extractor as feature_extractor

if TYPE_CHECKING:
    from training.features.extractor import Extractor


class RayFeatureWorker:
    """A Ray worker on one core of the cluster.

    Args:
        extractor: arguments of Extractor.
        folder: of the data set.
        cache: folder of the chunk files.
    """

    def __init__(
        self,
        extractor: dict[str, Any],
        folder: Path,
        cache: Path,
        processing: SourceProcessing | None,
    ):
        self.extractor = feature_extractor.Extractor(**extractor, engine="onnxruntime", n_cores=1)
        self.folder, self.cache, self.processing = folder, cache, processing

    def __call__(self, chunk: Sequence[tuple[FaceRecord, int]]) -> int:
        """Compute and save the features of one chunk; return how many views it has."""
        computed = compute_features.compute_missing_features(
            self.folder, chunk, self.extractor, self.cache, self.processing
        )
        return sum(1 for _ in computed)


def compute_features_on_ray(
    folder: Path,
    missing: Sequence[tuple[FaceRecord, int]],
    extractor: "Extractor",
    cache: Path,
    processing: SourceProcessing | None,
) -> None:
    """Compute the features of these records and views into the cache.

    Data set and cache must be on a file system that all machines share.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or an original is missing
            or was altered.
    """
    chunks = pixels.make_view_batches(missing, compute_features.VIEWS_PER_CHUNK)
    arguments = {
        "weights": extractor.weights,
        "sizes": extractor.sizes,
        "side": extractor.side,
        "signals": extractor.signals,
    }
    title = f"{extractor.weights.base} features, {compute_features.VIEWS_PER_CHUNK} at a time"
    ray_cluster.run_on_cluster(
        RayFeatureWorker, (arguments, folder, cache, processing), chunks, title
    )
