"""Faces that a Ray cluster draws before a collection, one worker for each GPU, or for each core where there is none."""

from collections.abc import Iterator
from typing import Any

from data_collection import console, drawn_ahead, ray_cluster
from data_collection.found_faces import Asked

CHUNK = 16
"""Faces that a worker is given at a time."""


class Painter:
    """What one worker does; it loads the model once."""

    def __init__(self, asked: Asked):
        self.asked = asked
        self.faces = drawn_ahead.ordered(asked)
        console.err.quiet = True  # the run that asks shows how far it is

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        start, stop = row["chunk"]
        return {"drawn": drawn_ahead.draw(self.asked, self.faces[start:stop])}


def draw(asked: Asked) -> int:
    """Draws what is missing of a source's faces into DATA/DATASET/drawn, on a file system that all machines share.

    A worker that dies has lost the pictures that it was drawing; Ray gives the rest to another. Returns how many were drawn.

    Raises:
        PlainError: Ray is not installed, the cluster cannot be reached, or as drawing raises it.
    """
    count = len(drawn_ahead.ordered(asked))
    chunks = [{"chunk": (start, start + CHUNK)} for start in range(0, count, CHUNK)]
    with ray_cluster.joined() as (cores, gpus):
        data = ray_cluster.quiet_data()
        needs = {"num_gpus": 1} if gpus else {"num_cpus": 1}
        items = data.from_items(chunks, override_num_blocks=len(chunks))
        done = items.map(Painter, fn_constructor_args=(asked,), concurrency=(1, gpus or cores), **needs)
        what = f"{asked.request.source}, {CHUNK} faces at a time on {gpus or cores} {'GPUs' if gpus else 'cores'}"
        return sum(console.progress(_drawn(done), what, len(chunks)))


def _drawn(done) -> Iterator[int]:
    for row in done.iter_rows():
        yield row["drawn"]
