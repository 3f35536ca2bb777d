"""Features of a frozen base from every core of a Ray cluster, into the same cache that one machine
would fill.

Each worker is one core: it decodes pictures, runs them through its own ONNX session, and writes
whole chunks. So a worker that dies loses one chunk, which Ray gives to another, and a run that was
ended carries on with what is missing.
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
    """A Ray worker on one core of the cluster; made there once."""

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
        return sum(
            1
            for _ in compute_features.compute_missing_features(
                self.folder, chunk, self.extractor, self.cache, self.processing
            )
        )


def compute_features_on_ray(
    folder: Path,
    missing: Sequence[tuple[FaceRecord, int]],
    extractor: "Extractor",
    cache: Path,
    processing: SourceProcessing | None,
) -> None:
    """Fills the cache with these views of images; the data set and the cache are on a file system
    that all machines share.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or an original is missing
            or was altered.
    """
    chunks = pixels.make_view_batches(missing, compute_features.VIEWS_PER_CHUNK)
    described = {name: getattr(extractor, name) for name in ("weights", "sizes", "side", "signals")}
    what = f"{extractor.weights.base} features, {compute_features.VIEWS_PER_CHUNK} at a time"
    ray_cluster.run_on_cluster(
        RayFeatureWorker, (described, folder, cache, processing), chunks, what
    )
