"""Photographs passed through Stable Diffusion's autoencoder, or redrawn by it: generated pictures of the very same faces.

What is left between the two classes is the generator's trace alone: content, framing and size are the photograph's
(Guillaro et al. 2025, arXiv 2412.17671, train on such pairs).
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.diffusion import pipeline_loader, sampling
from data_collection.diffusion.pipeline_loader import LoadedPipeline
from data_collection.generation import batching, diffusion_request, diffusion_requirements
from data_collection.generation.diffusion_request import (
    DEFAULT_GENERATED_COUNT,
    MAX_SEED_RETRIES,
    RETRY_SEED_STEP,
)
from data_collection.generation.diffusion_requirements import DECODER_COST_IN_PASSES
from data_collection.images import decode
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import CandidateFace, Source, SourceRequest, parse_count
from runtime import console

RECONSTRUCTION_PROMPT = "a photo of a face"
"""Of redrawn photographs. It is not in their rows' `prompt`: a prompt that all share would make one group of them all."""

AUTOENCODER_STRIDE_PX = 8
"""Autoencoders shrink by this; sides are multiples of it."""


def make_reconstruction_source_name(argument: str, settings: CollectionSettings) -> str:
    strength = settings.generation.strength
    source_name = diffusion_request.make_model_source_name(argument, settings)
    return f"{source_name}-{f'redrawn-{strength:g}' if strength else 'reconstruction'}"


def list_reconstruction_candidates(request: SourceRequest) -> list[CandidateFace]:
    """One reconstruction of each of the first COUNT accepted photographs; with a strength, one seed for each."""
    count, settings = (
        parse_count("reconstruction", request.argument, DEFAULT_GENERATED_COUNT),
        request.settings,
    )
    drawing = diffusion_request.parse_generation_settings(request.argument, settings)
    if len(request.photographs) < count:
        console.print_warning(
            f"{request.source}: each photograph is reconstructed once, and there are {len(request.photographs)}."
        )
    photographs = {record.id: record for record in request.photographs[:count]}
    together = functools.partial(
        reconstruct_candidates, drawing=drawing, photographs=photographs, folder=settings.folder
    )

    def slot(record: FaceRecord, first: int, attempt: int = 0) -> CandidateFace:
        redrawn = drawing.strength > 0
        face = CandidateFace(
            "generated",
            request.source,
            f"{record.id[:16]}-{attempt}.png" if attempt else f"{record.id[:16]}.png",
            lambda: next(together([face]))[1],
            lasting=True,
            seed=first + RETRY_SEED_STEP * attempt if redrawn else None,
            generator=request.source,
            source_image=record.id,
            drawn_with=_dump_reconstruction_settings(
                drawing, compute_reconstruction_side(min(record.width, record.height), drawing)
            ),
            together=together,
            again=functools.partial(slot, record, first, attempt + 1)
            if redrawn and attempt < MAX_SEED_RETRIES
            else None,
        )
        return face

    return [
        slot(record, settings.seed + number) for number, record in enumerate(photographs.values())
    ]


def list_reconstruction_requirements(request: SourceRequest) -> list[Requirement]:
    drawing = diffusion_request.parse_generation_settings(request.argument, request.settings)
    only = "" if drawing.strength else "vae"
    return diffusion_requirements.list_model_requirements(
        "reconstruction", request, drawing, count_reconstruction_passes(drawing), only
    )


def count_reconstruction_passes(drawing: GenerationSettings) -> float:
    """Of the UNet, for one picture; the autoencoder's work counted as some."""
    return (
        int(drawing.steps * drawing.strength) * (2 if drawing.guidance > 1 else 1)
        + 2 * DECODER_COST_IN_PASSES
    )


def check_reconstruction_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    drawing = diffusion_request.parse_generation_settings(request.argument, request.settings)
    told = _dump_reconstruction_settings(drawing, drawing.generation_size)
    del told["size"]  # which is the photograph's
    diffusion_request.check_diffusion_request("reconstruction", request, told, known)
    if drawing.strength and not int(drawing.steps * drawing.strength):
        raise console.PlainError(
            f"--strength {drawing.strength} of --steps {drawing.steps} leaves no step to draw; give --strength 0 for the "
            f"autoencoder alone, or at least {1 / drawing.steps:.2g}."
        )


def compute_reconstruction_side(shorter: int, drawing: GenerationSettings) -> int:
    """Never more than the photograph's shorter side: enlarging would leave a trace on one class only."""
    return max(
        AUTOENCODER_STRIDE_PX,
        min(drawing.generation_size, shorter // AUTOENCODER_STRIDE_PX * AUTOENCODER_STRIDE_PX),
    )


def _dump_reconstruction_settings(drawing: GenerationSettings, side: int) -> dict[str, object]:
    told = {"model": drawing.model, "strength": drawing.strength, "size": side}
    if not drawing.strength:
        return told
    return (
        diffusion_request.dump_generation_settings(drawing)
        | told
        | {"prompt": RECONSTRUCTION_PROMPT}
    )


def reconstruct_candidates(
    faces: Sequence[CandidateFace],
    drawing: GenerationSettings,
    photographs: Mapping[str, FaceRecord],
    folder: Path,
) -> Iterator[tuple[CandidateFace, bytes]]:
    """Yields every face with its PNG, a batch of one size at a time.

    Raises:
        PlainError: the model cannot be had, a photograph is missing, or one image does not fit into memory.
    """
    artist = load_reconstruction_pipeline(drawing)

    def draw(batch: Sequence[CandidateFace]) -> list[bytes]:
        pictures = [
            decode_square(
                stored_images.read_original(folder, photographs[face.source_image]),
                _get_recorded_side(face),
            )
            for face in batch
        ]
        return reconstruct_images(artist, drawing, pictures, [face.seed for face in batch])

    for _, equal in itertools.groupby(
        sorted(faces, key=_get_recorded_side), key=_get_recorded_side
    ):
        yield from batching.generate_in_batches(list(equal), artist, draw)


def _get_recorded_side(face: CandidateFace) -> int:
    return face.drawn_with["size"]


def decode_square(photograph: bytes, side: int) -> Image.Image:
    """The centre square of a photograph's bytes, side x side pixels."""
    return decode.decode_face(photograph).square.resize((side, side), Image.Resampling.LANCZOS)


def load_reconstruction_pipeline(drawing: GenerationSettings, revision: str = "") -> LoadedPipeline:
    """The autoencoder alone, or, with a strength, the whole model, which stable_diffusion may have loaded already."""
    if drawing.strength:
        return pipeline_loader.load_pipeline(drawing, revision)
    return pipeline_loader.get_cached_pipeline(
        ("autoencoder", drawing.model, revision), lambda: _load_autoencoder(drawing, revision)
    )


def _load_autoencoder(drawing: GenerationSettings, revision: str) -> LoadedPipeline:
    """Always in single precision: SDXL's own autoencoder ends in NaN in half."""
    pipeline_loader.silence_libraries()
    import diffusers

    return pipeline_loader.load_pretrained(
        diffusers.AutoencoderKL, drawing, revision, "float32", {}, only="vae"
    )


def reconstruct_images(
    artist: LoadedPipeline,
    drawing: GenerationSettings,
    pictures: Sequence[Image.Image],
    seeds: Sequence[int | None],
) -> list[bytes]:
    """Passes square pictures of one size through the autoencoder, or redraws them from their seeds; returns PNG files."""
    if not drawing.strength:
        return sampling.encode_pngs(_encode_and_decode(artist, pictures))
    import diffusers

    pipe = diffusers.AutoPipelineForImage2Image.from_pipe(artist.pipe)
    pipe.set_progress_bar_config(disable=True)
    return sampling.sample_images(
        artist,
        drawing,
        [RECONSTRUCTION_PROMPT] * len(pictures),
        seeds,
        pipe=pipe,
        image=list(pictures),
        strength=drawing.strength,
    )


def _encode_and_decode(
    artist: LoadedPipeline, pictures: Sequence[Image.Image]
) -> list[Image.Image]:
    """Encodes to the most likely latents and decodes them; nothing is drawn by chance."""
    import torch
    from diffusers.image_processor import VaeImageProcessor

    processor = VaeImageProcessor(vae_scale_factor=AUTOENCODER_STRIDE_PX)
    with torch.inference_mode():
        pixels = processor.preprocess(list(pictures)).to(artist.device)
        latents = artist.pipe.encode(pixels).latent_dist.mode()
        return processor.postprocess(artist.pipe.decode(latents).sample, output_type="pil")


def regenerate_reconstruction(record: FaceRecord, photograph: bytes) -> bytes:
    """Makes one reconstruction again from its row and the bytes of its `source_image`; returns a PNG file.

    Raises:
        PlainError: the row is no reconstruction, or its model cannot be had.
    """
    told = record.drawn_with
    if not {"model", "strength", "size"} <= told.keys():
        raise console.PlainError(
            f"{record.file} is no reconstruction; its row does not say how it was made."
        )
    drawing = diffusion_request.restore_generation_settings(
        record, strength=told["strength"]
    ) or GenerationSettings(model=told["model"])
    artist = load_reconstruction_pipeline(drawing, str(told.get("revision", "")))
    return reconstruct_images(
        artist, drawing, [decode_square(photograph, told["size"])], [record.seed]
    )[0]


RECONSTRUCTION = Source(
    list_reconstruction_candidates,
    "reconstruction:COUNT",
    list_reconstruction_requirements,
    make_reconstruction_source_name,
    check_reconstruction_request,
)
