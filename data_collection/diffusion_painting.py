"""Pictures by a loaded model, as many at a time as fit into memory."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from data_collection import console, drawing_device
from data_collection.diffusion_artist import Artist
from data_collection.found_faces import FoundFace
from data_collection.settings import DrawingSettings


def in_batches(
    faces: Sequence[FoundFace], artist: Artist, draw: Callable[[Sequence[FoundFace]], list[bytes]]
) -> Iterator[tuple[FoundFace, bytes]]:
    """Draws as many at a time as fit; yields each face, now knowing all of `drawn_with`.

    Raises:
        PlainError: not even one fits into memory.
    """
    start = 0
    while start < len(faces):
        batch = faces[start : start + artist.batch]
        pictures = _if_it_fits(draw, batch)
        if pictures is not None:
            start += len(batch)
            for face, picture in zip(batch, pictures, strict=True):
                yield replace(face, drawn_with={**face.drawn_with, **artist.facts}), picture
        elif len(batch) == 1:
            raise console.PlainError(
                f"One picture does not fit into the memory of {artist.device}; give a smaller --draw-size, or end what else "
                "runs there."
            )
        else:
            artist.batch = len(batch) // 2


def _if_it_fits(draw: Callable[[Sequence[FoundFace]], list[bytes]], batch: Sequence[FoundFace]) -> list[bytes] | None:
    import torch

    try:
        return draw(batch)
    except (RuntimeError, MemoryError) as error:
        if not drawing_device.lacks_memory(error):
            raise
    # Only here, when the error and with it the frames that hold its tensors are gone, can memory be given back.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def paint(artist: Artist, drawing: DrawingSettings, prompts: Sequence[str], seeds: Sequence[int], **more) -> list[bytes]:
    """Draws one picture for every pair of prompt and seed; returns PNG files.

    An image does not depend on the others of its batch: drawn alone it differs by one grey level at most (measured in
    single precision on a CPU), because each has a generator of its own; on the CPU, so that a seed means the same everywhere.
    `more` goes to the pipeline; it may name another one as `pipe`.
    """
    import numpy as np
    import torch

    pipe = more.pop("pipe", artist.pipe)
    encoded = [artist.encode(text) for text in prompts]
    words = {key: torch.cat([each[key] for each in encoded]) for key in encoded[0]}
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    # Half precision may end in NaN; those pixels become black, which the walk looks for.
    with torch.inference_mode(), np.errstate(invalid="ignore"):
        steps = {"num_inference_steps": drawing.steps, "guidance_scale": drawing.guidance}
        return to_png(pipe(**words, generator=generators, **steps, **(more or _sides(drawing))).images)


def _sides(drawing: DrawingSettings) -> dict[str, int]:
    return {"height": drawing.draw_size, "width": drawing.draw_size}


def to_png(pictures: Sequence) -> list[bytes]:
    def encoded(picture) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()

    with ThreadPoolExecutor() as pool:
        return list(pool.map(encoded, pictures))
