"""Faces that a Ray cluster draws before a collection, one worker for each GPU, or for each core where there is none."""

from data_collection import drawn_ahead, ray_cluster
from data_collection.found_faces import Asked

CHUNK = 16
"""Faces that a worker is given at a time."""


class Painter:
    """What one worker does; it loads the model once."""

    def __init__(self, asked: Asked):
        self.asked = asked
        self.faces = drawn_ahead.ordered(asked)

    def __call__(self, chunk: tuple[int, int]) -> int:
        return drawn_ahead.draw(self.asked, self.faces[slice(*chunk)])


def draw(asked: Asked) -> int:
    """Draws what is missing of a source's faces into DATA/DATASET/drawn, on a file system that all machines share.

    A worker that dies loses the pictures that it was drawing. Returns how many were drawn.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or as drawing raises it.
    """
    count = len(drawn_ahead.ordered(asked))
    chunks = [(start, start + CHUNK) for start in range(0, count, CHUNK)]
    return ray_cluster.run(Painter, (asked,), chunks, f"{asked.request.source}, {CHUNK} faces at a time", gpus=True)
