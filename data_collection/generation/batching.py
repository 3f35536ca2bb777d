"""Generate candidates in batches, halving the batch size when memory runs out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from data_collection.diffusion import compute_device
from data_collection.diffusion.pipeline_loader import LoadedPipeline
from data_collection.source_types import CandidateFace
from runtime import console


def generate_in_batches(
    faces: Sequence[CandidateFace],
    artist: LoadedPipeline,
    draw: Callable[[Sequence[CandidateFace]], list[bytes]],
) -> Iterator[tuple[CandidateFace, bytes]]:
    """Draws as many at a time as fit; yields each face, now knowing all of `drawn_with`.

    Raises:
        PlainError: not even one fits into memory.
    """
    start = 0
    while start < len(faces):
        batch = faces[start : start + artist.batch]
        pictures = _generate_if_it_fits(draw, batch)
        if pictures is not None:
            start += len(batch)
            for face, picture in zip(batch, pictures, strict=True):
                yield replace(face, drawn_with={**face.drawn_with, **artist.facts}), picture
        elif len(batch) == 1:
            raise console.PlainError(
                f"One picture does not fit into the memory of {artist.device}; give a smaller "
                "--generation-size, or end what else "
                "runs there."
            )
        else:
            artist.batch = len(batch) // 2


def _generate_if_it_fits(
    draw: Callable[[Sequence[CandidateFace]], list[bytes]], batch: Sequence[CandidateFace]
) -> list[bytes] | None:
    import torch

    try:
        return draw(batch)
    except (RuntimeError, MemoryError) as error:
        if not compute_device.is_out_of_memory(error):
            raise
    # Only here, when the error and with it the frames that hold its tensors are gone, can memory be given back.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
