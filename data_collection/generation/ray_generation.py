"""Faces that a Ray cluster draws before a collection, one worker for each GPU, or for each core where there is none."""

from data_collection.generation import pregenerated
from data_collection.source_types import RequestedSource
from runtime import ray_cluster

CANDIDATES_PER_RAY_TASK = 16
"""Faces that a worker is given at a time."""


class GenerationWorker:
    """A Ray worker that generates images; it loads the model once."""

    def __init__(self, asked: RequestedSource):
        self.asked = asked
        self.faces = pregenerated.list_candidates(asked)

    def __call__(self, chunk: tuple[int, int]) -> int:
        return pregenerated.generate_missing(self.asked, self.faces[slice(*chunk)])


def generate_missing_on_ray(asked: RequestedSource) -> int:
    """Draws what is missing of a source's faces into DATA/DATASET/drawn, on a file system that all machines share.

    A worker that dies loses the pictures that it was generation. Returns how many were drawn.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or as generation raises it.
    """
    count = len(pregenerated.list_candidates(asked))
    chunks = [
        (start, start + CANDIDATES_PER_RAY_TASK)
        for start in range(0, count, CANDIDATES_PER_RAY_TASK)
    ]
    return ray_cluster.run_on_cluster(
        GenerationWorker,
        (asked,),
        chunks,
        f"{asked.request.source_name}, {CANDIDATES_PER_RAY_TASK} faces at a time",
        gpus=True,
    )
