"""Generate faces with Stable Diffusion, each repeatable alone from its prompt and seed."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from data_collection.generation import diffusion_request, diffusion_requirements, pregenerated
from data_collection.generation.diffusion_request import (
    DEFAULT_GENERATED_COUNT,
    MAX_SEED_RETRIES,
    RETRY_SEED_STEP,
)
from data_collection.generation.face_generator import GeneratorInput
from data_collection.generation.stable_diffusion_generator import (
    StableDiffusionGenerator,
    count_sampling_passes,
    generate_from_prompt,
)
from data_collection.prompts import prompts
from data_collection.prompts.prompt_file import Prompt
from data_collection.requirement import Requirement
from data_collection.source_types import CandidateFace, Source, SourceArgument, SourceRequest
from runtime import console


def write_missing_prompts(request: SourceRequest) -> list[Prompt]:
    """Return the data set's prompts; writing the missing ones may call a paid service."""
    settings = request.settings
    return prompts.ensure_prompts(settings.folder, settings.prompt_settings, settings.seed)


def list_stable_diffusion_candidates(
    request: SourceRequest, face_prompts: Sequence[Prompt]
) -> list[CandidateFace]:
    """List one face for every seed from settings.seed on, taking the prompts in turn."""
    settings = request.settings
    count = SourceArgument.parse(request.argument).require_count(
        "stable-diffusion", DEFAULT_GENERATED_COUNT
    )
    generation = diffusion_request.parse_generation_settings(request.argument, settings)
    load_many = functools.partial(
        generate_candidates,
        generator=StableDiffusionGenerator(generation),
        folder=settings.folder,
    )

    def build_candidate(prompt: Prompt, first_seed: int, attempt: int = 0) -> CandidateFace:
        seed = first_seed + RETRY_SEED_STEP * attempt
        retry = functools.partial(build_candidate, prompt, first_seed, attempt + 1)
        return CandidateFace(
            label="generated",
            source=request.source_name,
            file=f"{seed:08}.png",
            load=lambda: generate_from_prompt(generation, prompt.text, seed),
            stable=True,
            prompt=prompt.text,
            seed=seed,
            generator=diffusion_request.make_model_source_name(request.argument, settings),
            attributes=prompt.attributes,
            drawn_with=diffusion_request.dump_generation_settings(generation),
            load_many=load_many,
            retry=retry if attempt < MAX_SEED_RETRIES else None,
        )

    prompt_cycle = itertools.cycle(face_prompts)
    return [build_candidate(next(prompt_cycle), settings.seed + number) for number in range(count)]


def list_stable_diffusion_requirements(request: SourceRequest) -> list[Requirement]:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    return [
        *prompts.list_prompt_requirements(
            request.settings.prompt_settings, request.settings.folder
        ),
        *diffusion_requirements.list_model_requirements(
            "stable-diffusion", request, generation, count_sampling_passes(generation)
        ),
    ]


def check_stable_diffusion_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    diffusion_request.check_diffusion_request(
        "stable-diffusion", request, diffusion_request.dump_generation_settings(generation), known
    )


def generate_candidates(
    faces: Sequence[CandidateFace], generator: StableDiffusionGenerator, folder: Path
) -> Iterator[tuple[CandidateFace, bytes]]:
    """Yield every face with its PNG: first the pregenerated ones, then the others in batches.

    Raises:
        PlainError: the model is not available, or one image does not fit into memory.
    """
    missing = []
    for face in faces:
        pregenerated_face = pregenerated.load_pregenerated(folder, face)
        if pregenerated_face:
            yield pregenerated_face
        else:
            missing.append(face)
    pregenerated.warn_about_outdated(folder, missing)
    inputs = [GeneratorInput(face.prompt, face.seed) for face in missing]
    if missing:
        generator.warn_of_cut_prompts({face.prompt for face in missing})
        for face, png in zip(missing, generator.generate(inputs), strict=True):
            yield replace(face, drawn_with={**face.drawn_with, **generator.environment}), png


def regenerate_from_prompt(record: FaceRecord) -> bytes:
    """Generate one image again, alone, from its row; return a PNG file.

    On another device or with other library versions it may differ.

    Raises:
        PlainError: the row is not from Stable Diffusion, or its model is not available.
    """
    generation = diffusion_request.restore_generation_settings(record)
    if generation is None or not record.prompt or record.seed is None:
        raise console.PlainError(
            f"{record.file} was not generated from a prompt by Stable Diffusion; its row does not "
            "say how."
        )
    revision = str(record.drawn_with.get("revision", ""))
    return generate_from_prompt(generation, record.prompt, record.seed, revision)


STABLE_DIFFUSION = Source(
    example="stable-diffusion:COUNT",
    prepare=write_missing_prompts,
    candidates=list_stable_diffusion_candidates,
    list_requirements=list_stable_diffusion_requirements,
    make_name=diffusion_request.make_model_source_name,
    check_request=check_stable_diffusion_request,
)
