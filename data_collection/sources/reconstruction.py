"""Reconstruct photographs with Stable Diffusion: its autoencoder alone, or image-to-image.

The only difference between the two classes is then the trace of the generator: content, framing and
size are those of the photograph (Guillaro et al. 2025, arXiv 2412.17671, train on such pairs).
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.generation import diffusion_request, diffusion_requirements
from data_collection.generation.face_generator import GeneratorInput
from data_collection.generation.reconstruction_generator import (
    RECONSTRUCTION_PROMPT,
    ReconstructionGenerator,
    compute_reconstruction_side,
    count_reconstruction_passes,
    decode_square,
    load_reconstruction_pipeline,
    reconstruct_images,
)
from data_collection.generation.redrawn_photographs import list_redrawn_candidates
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import CandidateFace, Source, SourceRequest
from runtime import console


def make_reconstruction_source_name(argument: str, settings: CollectionSettings) -> str:
    strength = settings.generation.strength
    source_name = diffusion_request.make_model_source_name(argument, settings)
    return f"{source_name}-{f'redrawn-{strength:g}' if strength else 'reconstruction'}"


def list_reconstruction_candidates(
    request: SourceRequest, prepared: object = None
) -> list[CandidateFace]:
    """List one reconstruction of each of the first COUNT accepted photographs.

    With a strength, each has its own seed.
    """
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    return list_redrawn_candidates(
        request,
        "reconstruction",
        lambda record: describe_reconstruction(record, generation),
        functools.partial(reconstruct_candidates, generation=generation),
    )


def describe_reconstruction(
    record: FaceRecord, generation: GenerationSettings
) -> dict[str, object]:
    """Return the settings of a photograph's reconstruction that are known before it is made."""
    side = compute_reconstruction_side(min(record.width, record.height), generation)
    return _dump_reconstruction_settings(generation, side)


def list_reconstruction_requirements(request: SourceRequest) -> list[Requirement]:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    only = "" if generation.strength else "vae"
    return diffusion_requirements.list_model_requirements(
        "reconstruction", request, generation, count_reconstruction_passes(generation), only
    )


def check_reconstruction_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    recorded = _dump_reconstruction_settings(generation, generation.generation_size)
    del recorded["size"]  # it is the photograph's
    diffusion_request.check_diffusion_request("reconstruction", request, recorded, known)
    ReconstructionGenerator(generation).check()


def _dump_reconstruction_settings(generation: GenerationSettings, side: int) -> dict[str, object]:
    recorded = {"model": generation.model, "strength": generation.strength, "size": side}
    if not generation.strength:
        return recorded
    return (
        diffusion_request.dump_generation_settings(generation)
        | recorded
        | {"prompt": RECONSTRUCTION_PROMPT}
    )


def reconstruct_candidates(
    faces: Sequence[CandidateFace],
    generation: GenerationSettings,
    photographs: Mapping[str, FaceRecord],
    folder: Path,
) -> Iterator[tuple[CandidateFace, bytes]]:
    """Yield every face with its PNG; a batch holds images of one size and strength.

    Raises:
        PlainError: the model is not available, a photograph is missing, or one image does not fit
            into memory.
    """

    def build_input(face: CandidateFace) -> GeneratorInput:
        def load_photo() -> Image.Image:
            original = stored_images.read_original(folder, photographs[face.source_image])
            return decode_square(original, face.drawn_with["size"])

        return GeneratorInput(seed=face.seed, load_photo=load_photo)

    in_order = sorted(faces, key=_get_side_and_strength)
    for (_, strength), alike in itertools.groupby(in_order, key=_get_side_and_strength):
        group = list(alike)
        generator = ReconstructionGenerator(replace(generation, strength=strength))
        images = generator.generate([build_input(face) for face in group])
        for face, png in zip(group, images, strict=True):
            yield replace(face, drawn_with={**face.drawn_with, **generator.environment}), png


def _get_side_and_strength(face: CandidateFace) -> tuple[int, float]:
    return face.drawn_with["size"], face.drawn_with["strength"]


def regenerate_reconstruction(record: FaceRecord, photograph: bytes) -> bytes:
    """Generate one reconstruction again from its row and the bytes of its `source_image`, as PNG.

    Raises:
        PlainError: the row is not a reconstruction, or its model is not available.
    """
    recorded = record.drawn_with
    if not {"model", "strength", "size"} <= recorded.keys():
        raise console.PlainError(
            f"{record.file} is not a reconstruction; its row does not say how it was generated."
        )
    generation = diffusion_request.restore_generation_settings(
        record, strength=recorded["strength"]
    ) or GenerationSettings(model=recorded["model"])
    loaded = load_reconstruction_pipeline(generation, str(recorded.get("revision", "")))
    square = decode_square(photograph, recorded["size"])
    return reconstruct_images(loaded, generation, [square], [record.seed])[0]


RECONSTRUCTION = Source(
    example="reconstruction:COUNT",
    candidates=list_reconstruction_candidates,
    list_requirements=list_reconstruction_requirements,
    make_name=make_reconstruction_source_name,
    check_request=check_reconstruction_request,
)
