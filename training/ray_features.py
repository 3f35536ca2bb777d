"""Features of a frozen base from every core of a Ray cluster, into the same cache that one machine would fill.

Each worker is one core: it decodes pictures, runs them through its own ONNX session, and writes whole chunks. So a worker that
dies loses one chunk, which Ray gives to another, and a run that was ended carries on with what is missing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_collection import ray_cluster
from data_collection.manifest import FaceRecord
from data_collection.processing import Processing
from training import feature_cache

if TYPE_CHECKING:
    from training.feature_cache import Extractor


class CoreExtractor:
    """What a core of the cluster does; made there once."""

    def __init__(self, extractor: dict[str, Any], folder: Path, cache: Path, processing: Processing | None):
        self.extractor = feature_cache.Extractor(**extractor, engine="onnxruntime", cores=1)
        self.folder, self.cache, self.processing = folder, cache, processing

    def __call__(self, chunk: Sequence[tuple[FaceRecord, int]]) -> int:
        return sum(1 for _ in feature_cache.computed(self.folder, chunk, self.extractor, self.cache, self.processing))


def compute(
    folder: Path, missing: Sequence[tuple[FaceRecord, int]], extractor: "Extractor", cache: Path, processing: Processing | None
) -> None:
    """Fills the cache with these views of images; the data set and the cache are on a file system that all machines share.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or an original is missing or was altered.
    """
    chunks = feature_cache.parts(missing, feature_cache.CHUNK)
    described = {name: getattr(extractor, name) for name in ("weights", "sizes", "side", "signals")}
    what = f"{extractor.weights.base} features, {feature_cache.CHUNK} at a time"
    ray_cluster.run(CoreExtractor, (described, folder, cache, processing), chunks, what)
