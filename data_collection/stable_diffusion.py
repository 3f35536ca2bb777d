"""Faces that Stable Diffusion draws from prompts: one seed each, so that any of them can be drawn again, alone."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_collection import console, diffusion_artist, drawing_needs, drawing_order, drawn_ahead, prompts
from data_collection.diffusion_artist import Artist
from data_collection.diffusion_painting import in_batches, paint
from data_collection.drawing_needs import DECODER_PASSES
from data_collection.drawing_order import ATTEMPTS, COUNT, NEXT_SEED
from data_collection.found_faces import FoundFace, Need, Request, Source, count_of
from data_collection.manifest import FaceRecord
from data_collection.settings import DrawingSettings


def find(request: Request) -> list[FoundFace]:
    """One face for every seed from settings.seed on, the prompts in turn; nothing is drawn yet, but prompts are written."""
    count, settings = count_of("stable-diffusion", request.argument, COUNT), request.settings
    drawing = drawing_order.drawing_of(request.argument, settings)
    written = itertools.cycle(prompts.write(settings.folder, settings.prompting, settings.seed))
    together = functools.partial(draw_all, drawing=drawing, folder=settings.folder)

    def slot(prompt, first: int, attempt: int = 0) -> FoundFace:
        seed = first + NEXT_SEED * attempt
        return FoundFace(
            "generated",
            request.source,
            f"{seed:08}.png",
            lambda: draw_one(diffusion_artist.load(drawing), drawing, prompt.text, seed),
            lasting=True,
            prompt=prompt.text,
            seed=seed,
            generator=drawing_order.model_name(request.argument, settings),
            attributes=prompt.attributes,
            drawn_with=drawing_order.told(drawing),
            together=together,
            again=functools.partial(slot, prompt, first, attempt + 1) if attempt < ATTEMPTS else None,
        )

    return [slot(next(written), settings.seed + number) for number in range(count)]


def needs(request: Request) -> list[Need]:
    drawing = drawing_order.drawing_of(request.argument, request.settings)
    return [
        *prompts.needs(request.settings.prompting, request.settings.folder),
        *drawing_needs.model_needs("stable-diffusion", request, drawing, passes(drawing)),
    ]


def passes(drawing: DrawingSettings) -> float:
    """Of the UNet, for one picture; the decoder's work counted as some."""
    return drawing.steps * (2 if drawing.guidance > 1 else 1) + DECODER_PASSES


def check(request: Request, known: Sequence[FaceRecord]) -> None:
    drawing = drawing_order.drawing_of(request.argument, request.settings)
    drawing_order.check("stable-diffusion", request, drawing_order.told(drawing), known)


def draw_all(faces: Sequence[FoundFace], drawing: DrawingSettings, folder: Path) -> Iterator[tuple[FoundFace, bytes]]:
    """Yields every face with its PNG: first those of drawn_ahead, then the others, a batch at a time.

    Raises:
        PlainError: the model cannot be had, or one image does not fit into memory.
    """
    waiting = []
    for face in faces:
        there = drawn_ahead.find(folder, face)
        if there:
            yield there
        else:
            waiting.append(face)
    drawn_ahead.warn_of_others(folder, waiting)
    if waiting:
        artist = diffusion_artist.load(drawing)
        yield from in_batches(
            waiting,
            artist,
            lambda batch: paint(artist, drawing, [face.prompt for face in batch], [face.seed for face in batch]),
        )


def draw_one(artist: Artist, drawing: DrawingSettings, prompt: str, seed: int) -> bytes:
    return paint(artist, drawing, [prompt], [seed])[0]


def redraw(record: FaceRecord) -> bytes:
    """Draws one image again, alone, from its row; returns a PNG file. On another device or version it may differ.

    Raises:
        PlainError: the row is not of Stable Diffusion, or its model cannot be had.
    """
    drawing = drawing_order.recorded(record)
    if drawing is None or not record.prompt or record.seed is None:
        raise console.PlainError(f"{record.file} was not drawn from a prompt by Stable Diffusion; its row does not say how.")
    artist = diffusion_artist.load(drawing, str(record.drawn_with.get("revision", "")))
    return draw_one(artist, drawing, record.prompt, record.seed)


STABLE_DIFFUSION = Source(find, "stable-diffusion:COUNT", needs, drawing_order.model_name, check)
