"""Redraw photographs by image-to-image, each with a strength of its own.

Weak ones keep the face and change its texture, strong ones change the face, too: between a
reconstruction and a face from a prompt.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace

from data_collection.dataset.manifest import FaceRecord
from data_collection.generation import diffusion_request, diffusion_requirements
from data_collection.generation.reconstruction_generator import count_reconstruction_passes
from data_collection.generation.redrawn_photographs import list_redrawn_candidates
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace, Source, SourceRequest
from data_collection.sources import reconstruction
from runtime import console, hashing

KIND = "image-to-image"

STRENGTHS = tuple(round(0.1 + 0.05 * step, 2) for step in range(11))
"""The strengths that are drawn, .1 to .6; few, so that pictures of one strength share batches."""


def choose_strength(photograph_id: str, seed: int) -> float:
    """Return a photograph's strength, whatever else is collected."""
    digest = hashing.hash_bytes(f"{photograph_id}:{seed}".encode())
    return STRENGTHS[int(digest[:12], 16) % len(STRENGTHS)]


def make_image_to_image_source_name(argument: str, settings: CollectionSettings) -> str:
    return f"{diffusion_request.make_model_source_name(argument, settings)}-{KIND}"


def list_image_to_image_candidates(
    request: SourceRequest, prepared: object = None
) -> list[CandidateFace]:
    """List one redrawn picture of each of the first COUNT accepted photographs."""
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)

    def describe(record: FaceRecord) -> dict[str, object]:
        strength = choose_strength(record.id, request.settings.seed)
        return reconstruction.describe_reconstruction(
            record, replace(generation, strength=strength)
        )

    load_faces = functools.partial(reconstruction.reconstruct_candidates, generation=generation)
    return list_redrawn_candidates(request, KIND, describe, load_faces)


def list_image_to_image_requirements(request: SourceRequest) -> list[Requirement]:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    mean = replace(generation, strength=sum(STRENGTHS) / len(STRENGTHS))
    return diffusion_requirements.list_model_requirements(
        KIND, request, generation, count_reconstruction_passes(mean)
    )


def check_image_to_image_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    recorded = diffusion_request.dump_generation_settings(generation)
    del recorded["size"]  # it is the photograph's
    diffusion_request.check_diffusion_request(KIND, request, recorded, known)
    if not int(generation.steps * STRENGTHS[0]):
        raise console.PlainError(
            f"{KIND} draws strengths from {STRENGTHS[0]} to {STRENGTHS[-1]}, and {STRENGTHS[0]} of "
            f"--steps {generation.steps} leaves no step to run; give --steps "
            f"{round(1 / STRENGTHS[0])} or more."
        )


IMAGE_TO_IMAGE = Source(
    example=f"{KIND}:COUNT",
    candidates=list_image_to_image_candidates,
    list_requirements=list_image_to_image_requirements,
    make_name=make_image_to_image_source_name,
    check_request=check_image_to_image_request,
)
