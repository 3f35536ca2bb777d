"""Generate faces on a Ray cluster before a collection: one worker per GPU, else per core."""

from data_collection.generation import pregenerated
from data_collection.source_types import RequestedSource
from runtime import ray_cluster

CANDIDATES_PER_RAY_TASK = 16
"""Faces that a worker generates at a time."""


class GenerationWorker:
    """A Ray worker that generates images; it loads the model once."""

    def __init__(self, requested: RequestedSource):
        self.requested = requested
        self.faces = pregenerated.list_candidates(requested)

    def __call__(self, chunk: tuple[int, int]) -> int:
        return pregenerated.generate_missing(self.requested, self.faces[slice(*chunk)])


def generate_missing_on_ray(requested: RequestedSource) -> int:
    """Pregenerate the missing faces of a source; return how many.

    The data set must lie on a file system that all machines share. A worker that dies loses only
    the images that it was generating.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or as generation raises it.
    """
    count = len(pregenerated.list_candidates(requested))
    chunks = [
        (start, start + CANDIDATES_PER_RAY_TASK)
        for start in range(0, count, CANDIDATES_PER_RAY_TASK)
    ]
    return ray_cluster.run_on_cluster(
        GenerationWorker,
        (requested,),
        chunks,
        f"{requested.request.source_name}, {CANDIDATES_PER_RAY_TASK} faces at a time",
        use_gpus=True,
    )
