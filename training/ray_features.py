"""Features of a frozen base from every core of a Ray cluster, into the same cache that one machine would fill.

Each worker is one core: it decodes pictures, runs them through its own ONNX session, and writes whole chunks. So a worker that
dies loses one chunk, which Ray gives to another, and a run that was ended carries on with what is missing.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_collection import console, ray_cluster
from data_collection.manifest import FaceRecord
from data_collection.processing import Processing
from training import feature_cache

if TYPE_CHECKING:
    from training.feature_cache import Extractor


class Worker:
    """What a core of the cluster does; made there once."""

    def __init__(self, extractor: dict[str, Any], folder: Path, cache: Path, processing: Processing | None):
        self.extractor = feature_cache.Extractor(**extractor, cores=1)
        self.folder, self.cache, self.processing = folder, cache, processing
        console.err.quiet = True  # the run that asks shows how far it is

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        chunk: Sequence[tuple[FaceRecord, int]] = row["item"]
        done = feature_cache.computed(self.folder, chunk, self.extractor, self.cache, self.processing)
        return {"rows": sum(1 for _ in done)}


def compute(
    folder: Path, missing: Sequence[tuple[FaceRecord, int]], extractor: "Extractor", cache: Path, processing: Processing | None
) -> None:
    """Fills the cache with these views of images; the data set and the cache are on a file system that all machines share.

    Raises:
        PlainError: Ray is not installed, or the cluster cannot be reached.
    """
    chunks = feature_cache.parts(missing, feature_cache.CHUNK)
    with ray_cluster.joined() as (cores, _):
        data = ray_cluster.quiet_data()
        described = {
            "weights": extractor.weights,
            "sizes": extractor.sizes,
            "side": extractor.side,
            "engine": "onnxruntime",
            "signals": extractor.signals,
        }
        given = described, folder.absolute(), cache.absolute(), processing
        done = data.from_items(chunks, override_num_blocks=len(chunks)).map(
            Worker, fn_constructor_args=given, num_cpus=1, concurrency=(1, cores)
        )
        for _ in console.progress(_rows(done), f"{extractor.weights.base} features, chunks on {cores} cores", len(chunks)):
            pass


def _rows(done) -> Iterator[Any]:
    yield from done.iter_rows()
