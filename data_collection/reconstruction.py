"""Photographs passed through Stable Diffusion's autoencoder, or redrawn by it: generated pictures of the very same faces.

What is left between the two classes is the generator's trace alone: content, framing and size are the photograph's
(Guillaro et al. 2025, arXiv 2412.17671, train on such pairs).
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from data_collection import console, diffusion_artist, diffusion_painting, drawing_needs, drawing_order, face_images, manifest
from data_collection.diffusion_artist import Artist
from data_collection.drawing_needs import DECODER_PASSES
from data_collection.drawing_order import ATTEMPTS, COUNT, NEXT_SEED
from data_collection.found_faces import FoundFace, Need, Request, Source, count_of
from data_collection.manifest import FaceRecord
from data_collection.settings import CollectionSettings, DrawingSettings

PROMPT = "a photo of a face"
"""Of redrawn photographs. It is not in their rows' `prompt`: a prompt that all share would make one group of them all."""

GRID = 8
"""Autoencoders shrink by this; sides are multiples of it."""


def name(argument: str, settings: CollectionSettings) -> str:
    strength = settings.drawing.strength
    return f"{drawing_order.model_name(argument, settings)}-{f'redrawn-{strength:g}' if strength else 'reconstruction'}"


def find(request: Request) -> list[FoundFace]:
    """One reconstruction of each of the first COUNT accepted photographs; with a strength, one seed for each."""
    count, settings = count_of("reconstruction", request.argument, COUNT), request.settings
    drawing = drawing_order.drawing_of(request.argument, settings)
    if len(request.photographs) < count:
        console.warn(f"{request.source}: each photograph is reconstructed once, and there are {len(request.photographs)}.")
    photographs = {record.id: record for record in request.photographs[:count]}
    together = functools.partial(reconstruct_all, drawing=drawing, photographs=photographs, folder=settings.folder)

    def slot(record: FaceRecord, first: int, attempt: int = 0) -> FoundFace:
        redrawn = drawing.strength > 0
        face = FoundFace(
            "generated",
            request.source,
            f"{record.id[:16]}-{attempt}.png" if attempt else f"{record.id[:16]}.png",
            lambda: next(together([face]))[1],
            lasting=True,
            seed=first + NEXT_SEED * attempt if redrawn else None,
            generator=request.source,
            source_image=record.id,
            drawn_with=_told(drawing, fitting_side(min(record.width, record.height), drawing)),
            together=together,
            again=functools.partial(slot, record, first, attempt + 1) if redrawn and attempt < ATTEMPTS else None,
        )
        return face

    return [slot(record, settings.seed + number) for number, record in enumerate(photographs.values())]


def needs(request: Request) -> list[Need]:
    drawing = drawing_order.drawing_of(request.argument, request.settings)
    only = "" if drawing.strength else "vae"
    return drawing_needs.model_needs("reconstruction", request, drawing, passes(drawing), only)


def passes(drawing: DrawingSettings) -> float:
    """Of the UNet, for one picture; the autoencoder's work counted as some."""
    return int(drawing.steps * drawing.strength) * (2 if drawing.guidance > 1 else 1) + 2 * DECODER_PASSES


def check(request: Request, known: Sequence[FaceRecord]) -> None:
    drawing = drawing_order.drawing_of(request.argument, request.settings)
    told = _told(drawing, drawing.draw_size)
    del told["size"]  # which is the photograph's
    drawing_order.check("reconstruction", request, told, known)
    if drawing.strength and not int(drawing.steps * drawing.strength):
        raise console.PlainError(
            f"--strength {drawing.strength} of --steps {drawing.steps} leaves no step to draw; give --strength 0 for the "
            f"autoencoder alone, or at least {1 / drawing.steps:.2g}."
        )


def fitting_side(shorter: int, drawing: DrawingSettings) -> int:
    """Never more than the photograph's shorter side: enlarging would leave a trace on one class only."""
    return max(GRID, min(drawing.draw_size, shorter // GRID * GRID))


def _told(drawing: DrawingSettings, side: int) -> dict[str, object]:
    told = {"model": drawing.model, "strength": drawing.strength, "size": side}
    if not drawing.strength:
        return told
    return drawing_order.told(drawing) | told | {"prompt": PROMPT}


def reconstruct_all(
    faces: Sequence[FoundFace], drawing: DrawingSettings, photographs: Mapping[str, FaceRecord], folder: Path
) -> Iterator[tuple[FoundFace, bytes]]:
    """Yields every face with its PNG, a batch of one size at a time.

    Raises:
        PlainError: the model cannot be had, a photograph is missing, or one image does not fit into memory.
    """
    artist = load(drawing)

    def draw(batch: Sequence[FoundFace]) -> list[bytes]:
        pictures = [square(manifest.read_original(folder, photographs[face.source_image]), _size(face)) for face in batch]
        return reconstruct(artist, drawing, pictures, [face.seed for face in batch])

    for _, equal in itertools.groupby(sorted(faces, key=_size), key=_size):
        yield from diffusion_painting.in_batches(list(equal), artist, draw)


def _size(face: FoundFace) -> int:
    return face.drawn_with["size"]


def square(photograph: bytes, side: int) -> Image.Image:
    """The centre square of a photograph's bytes, side x side pixels."""
    return face_images.decode(photograph).square.resize((side, side), Image.Resampling.LANCZOS)


def load(drawing: DrawingSettings, revision: str = "") -> Artist:
    """The autoencoder alone, or, with a strength, the whole model, which stable_diffusion may have loaded already."""
    if drawing.strength:
        return diffusion_artist.load(drawing, revision)
    return diffusion_artist.kept(("autoencoder", drawing.model, revision), lambda: _load_autoencoder(drawing, revision))


def _load_autoencoder(drawing: DrawingSettings, revision: str) -> Artist:
    """Always in single precision: SDXL's own autoencoder ends in NaN in half."""
    diffusion_artist.quieten()
    import diffusers

    return diffusion_artist.fetch(diffusers.AutoencoderKL, drawing, revision, "float32", {}, only="vae")


def reconstruct(
    artist: Artist, drawing: DrawingSettings, pictures: Sequence[Image.Image], seeds: Sequence[int | None]
) -> list[bytes]:
    """Passes square pictures of one size through the autoencoder, or redraws them from their seeds; returns PNG files."""
    if not drawing.strength:
        return diffusion_painting.to_png(_through_autoencoder(artist, pictures))
    import diffusers

    pipe = diffusers.AutoPipelineForImage2Image.from_pipe(artist.pipe)
    pipe.set_progress_bar_config(disable=True)
    return diffusion_painting.paint(
        artist, drawing, [PROMPT] * len(pictures), seeds, pipe=pipe, image=list(pictures), strength=drawing.strength
    )


def _through_autoencoder(artist: Artist, pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Encodes to the most likely latents and decodes them; nothing is drawn by chance."""
    import torch
    from diffusers.image_processor import VaeImageProcessor

    processor = VaeImageProcessor(vae_scale_factor=GRID)
    with torch.inference_mode():
        pixels = processor.preprocess(list(pictures)).to(artist.device)
        latents = artist.pipe.encode(pixels).latent_dist.mode()
        return processor.postprocess(artist.pipe.decode(latents).sample, output_type="pil")


def redraw(record: FaceRecord, photograph: bytes) -> bytes:
    """Makes one reconstruction again from its row and the bytes of its `source_image`; returns a PNG file.

    Raises:
        PlainError: the row is no reconstruction, or its model cannot be had.
    """
    told = record.drawn_with
    if not {"model", "strength", "size"} <= told.keys():
        raise console.PlainError(f"{record.file} is no reconstruction; its row does not say how it was made.")
    drawing = drawing_order.recorded(record, strength=told["strength"]) or DrawingSettings(model=told["model"])
    artist = load(drawing, str(told.get("revision", "")))
    return reconstruct(artist, drawing, [square(photograph, told["size"])], [record.seed])[0]


RECONSTRUCTION = Source(find, "reconstruction:COUNT", needs, name, check)
