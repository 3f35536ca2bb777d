"""Faces that Stable Diffusion draws from prompts: one seed each, so that any of them can be drawn again, alone."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from data_collection.diffusion import pipeline_loader
from data_collection.diffusion.pipeline_loader import LoadedPipeline
from data_collection.diffusion.sampling import sample_images
from data_collection.generation import diffusion_request, diffusion_requirements, pregenerated
from data_collection.generation.batching import generate_in_batches
from data_collection.generation.diffusion_request import (
    DEFAULT_GENERATED_COUNT,
    MAX_SEED_RETRIES,
    RETRY_SEED_STEP,
)
from data_collection.generation.diffusion_requirements import DECODER_COST_IN_PASSES
from data_collection.prompts import prompts
from data_collection.requirement import Requirement
from data_collection.settings import GenerationSettings
from data_collection.source_types import CandidateFace, Source, SourceRequest, parse_count
from runtime import console


def list_stable_diffusion_candidates(request: SourceRequest) -> list[CandidateFace]:
    """One face for every seed from settings.seed on, the prompts in turn; nothing is drawn yet, but prompts are written."""
    count, settings = (
        parse_count("stable-diffusion", request.argument, DEFAULT_GENERATED_COUNT),
        request.settings,
    )
    drawing = diffusion_request.parse_generation_settings(request.argument, settings)
    written = itertools.cycle(
        prompts.ensure_prompts(settings.folder, settings.prompt_settings, settings.seed)
    )
    together = functools.partial(generate_candidates, drawing=drawing, folder=settings.folder)

    def slot(prompt, first: int, attempt: int = 0) -> CandidateFace:
        seed = first + RETRY_SEED_STEP * attempt
        return CandidateFace(
            "generated",
            request.source,
            f"{seed:08}.png",
            lambda: generate_from_prompt(
                pipeline_loader.load_pipeline(drawing), drawing, prompt.text, seed
            ),
            lasting=True,
            prompt=prompt.text,
            seed=seed,
            generator=diffusion_request.make_model_source_name(request.argument, settings),
            attributes=prompt.attributes,
            drawn_with=diffusion_request.dump_generation_settings(drawing),
            together=together,
            again=functools.partial(slot, prompt, first, attempt + 1)
            if attempt < MAX_SEED_RETRIES
            else None,
        )

    return [slot(next(written), settings.seed + number) for number in range(count)]


def list_stable_diffusion_requirements(request: SourceRequest) -> list[Requirement]:
    drawing = diffusion_request.parse_generation_settings(request.argument, request.settings)
    return [
        *prompts.list_prompt_requirements(
            request.settings.prompt_settings, request.settings.folder
        ),
        *diffusion_requirements.list_model_requirements(
            "stable-diffusion", request, drawing, count_sampling_passes(drawing)
        ),
    ]


def count_sampling_passes(drawing: GenerationSettings) -> float:
    """Of the UNet, for one picture; the decoder's work counted as some."""
    return drawing.steps * (2 if drawing.guidance > 1 else 1) + DECODER_COST_IN_PASSES


def check_stable_diffusion_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    drawing = diffusion_request.parse_generation_settings(request.argument, request.settings)
    diffusion_request.check_diffusion_request(
        "stable-diffusion", request, diffusion_request.dump_generation_settings(drawing), known
    )


def generate_candidates(
    faces: Sequence[CandidateFace], drawing: GenerationSettings, folder: Path
) -> Iterator[tuple[CandidateFace, bytes]]:
    """Yields every face with its PNG: first those of drawn_ahead, then the others, a batch at a time.

    Raises:
        PlainError: the model cannot be had, or one image does not fit into memory.
    """
    waiting = []
    for face in faces:
        there = pregenerated.load_pregenerated(folder, face)
        if there:
            yield there
        else:
            waiting.append(face)
    pregenerated.warn_about_outdated(folder, waiting)
    if waiting:
        artist = pipeline_loader.load_pipeline(drawing)
        yield from generate_in_batches(
            waiting,
            artist,
            lambda batch: sample_images(
                artist, drawing, [face.prompt for face in batch], [face.seed for face in batch]
            ),
        )


def generate_from_prompt(
    artist: LoadedPipeline, drawing: GenerationSettings, prompt: str, seed: int
) -> bytes:
    return sample_images(artist, drawing, [prompt], [seed])[0]


def regenerate_from_prompt(record: FaceRecord) -> bytes:
    """Draws one image again, alone, from its row; returns a PNG file. On another device or version it may differ.

    Raises:
        PlainError: the row is not of Stable Diffusion, or its model cannot be had.
    """
    drawing = diffusion_request.restore_generation_settings(record)
    if drawing is None or not record.prompt or record.seed is None:
        raise console.PlainError(
            f"{record.file} was not drawn from a prompt by Stable Diffusion; its row does not say how."
        )
    artist = pipeline_loader.load_pipeline(drawing, str(record.drawn_with.get("revision", "")))
    return generate_from_prompt(artist, drawing, record.prompt, record.seed)


STABLE_DIFFUSION = Source(
    list_stable_diffusion_candidates,
    "stable-diffusion:COUNT",
    list_stable_diffusion_requirements,
    diffusion_request.make_model_source_name,
    check_stable_diffusion_request,
)
