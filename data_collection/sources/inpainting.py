"""Generate the eyes, the mouth or the whole face of photographs anew, by inpainting."""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.generation import diffusion_request, diffusion_requirements
from data_collection.generation.face_generator import GeneratorInput
from data_collection.generation.inpainting_generator import (
    INPAINTING_STRENGTH,
    InpaintingGenerator,
    count_inpainting_passes,
)
from data_collection.generation.reconstruction_generator import (
    RECONSTRUCTION_PROMPT,
    compute_reconstruction_side,
    decode_square,
)
from data_collection.generation.redrawn_photographs import list_redrawn_candidates
from data_collection.images import face_detector, face_region
from data_collection.images.errors import NoSingleFace
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings
from data_collection.source_types import (
    CandidateFace,
    Source,
    SourceRequest,
    UnavailableImage,
)
from runtime import console, hashing

KIND = "inpainting"

PREPARED_PHOTOGRAPHS = 16
"""Photographs in which faces are looked for before they are given to the model."""


def choose_part(photograph_id: str, seed: int) -> str:
    """Return the part of a photograph's face to generate, whatever else is collected."""
    digest = hashing.hash_bytes(f"{photograph_id}:{seed}".encode())
    return list(face_region.FACE_PARTS)[int(digest[:12], 16) % len(face_region.FACE_PARTS)]


def make_inpainting_source_name(argument: str, settings: CollectionSettings) -> str:
    return f"{diffusion_request.make_model_source_name(argument, settings)}-{KIND}"


def list_inpainting_candidates(
    request: SourceRequest, prepared: object = None
) -> list[CandidateFace]:
    """List one inpainted picture of each of the first COUNT accepted photographs.

    A photograph without exactly one face becomes a rejected row.
    """
    settings = request.settings
    generation = diffusion_request.parse_generation_settings(request.argument, settings)

    def describe(record: FaceRecord) -> dict[str, object]:
        return {
            **diffusion_request.dump_generation_settings(generation),
            "size": compute_reconstruction_side(min(record.width, record.height), generation),
            "prompt": RECONSTRUCTION_PROMPT,
            "part": choose_part(record.id, settings.seed),
            "strength": INPAINTING_STRENGTH,
        }

    load_faces = functools.partial(inpaint_candidates, generator=InpaintingGenerator(generation))
    return list_redrawn_candidates(request, KIND, describe, load_faces)


def list_inpainting_requirements(request: SourceRequest) -> list[Requirement]:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    return diffusion_requirements.list_model_requirements(
        KIND, request, generation, count_inpainting_passes(generation)
    )


def check_inpainting_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    recorded = diffusion_request.dump_generation_settings(generation)
    del recorded["size"]  # it is the photograph's
    diffusion_request.check_diffusion_request(KIND, request, recorded, known)


def inpaint_candidates(
    faces: Sequence[CandidateFace],
    generator: InpaintingGenerator,
    photographs: Mapping[str, FaceRecord],
    folder: Path,
) -> Iterator[tuple[CandidateFace, bytes | Exception]]:
    """Yield every face with its PNG, or with the reason for which there is none.

    Raises:
        PlainError: the model is not available, a photograph is missing, or one image does not fit
            into memory.
    """
    by_side = sorted(faces, key=_get_side)
    for _, alike in itertools.groupby(by_side, key=_get_side):
        group = list(alike)
        for start in range(0, len(group), PREPARED_PHOTOGRAPHS):
            inputs: list[tuple[CandidateFace, GeneratorInput]] = []
            for face in group[start : start + PREPARED_PHOTOGRAPHS]:
                photograph = stored_images.read_original(folder, photographs[face.source_image])
                try:
                    inputs.append((face, _build_input(face.drawn_with, face.seed, photograph)))
                except NoSingleFace as error:
                    yield face, UnavailableImage(f"not one face: {error}")
            images = generator.generate([face_input for _, face_input in inputs])
            for (face, _), png in zip(inputs, images, strict=True):
                yield replace(face, drawn_with={**face.drawn_with, **generator.environment}), png


def _get_side(face: CandidateFace) -> int:
    return face.drawn_with["size"]


def _build_input(drawn_with: Mapping[str, object], seed: int, photograph: bytes) -> GeneratorInput:
    """Draw the mask of a photograph's face.

    Raises:
        NoSingleFace: the photograph's square does not show exactly one face.
    """
    square = decode_square(photograph, drawn_with["size"])
    face = face_detector.find_only_face(square)
    mask = face_region.draw_part_mask(face, drawn_with["part"], square.size)
    return GeneratorInput(seed=seed, load_photo=lambda: square, mask=mask)


def regenerate_inpainting(record: FaceRecord, photograph: bytes) -> bytes:
    """Generate one inpainted picture again from its row and the bytes of its `source_image`.

    Raises:
        PlainError: the row does not say how, or its model is not available.
    """
    generation = diffusion_request.restore_generation_settings(record)
    if generation is None or record.seed is None:
        raise console.PlainError(
            f"{record.file} cannot be generated again; its row does not say how it was generated."
        )
    generator = InpaintingGenerator(generation, str(record.drawn_with.get("revision", "")))
    face_input = _build_input(record.drawn_with, record.seed, photograph)
    return next(generator.generate([face_input]))


INPAINTING = Source(
    example=f"{KIND}:COUNT",
    candidates=list_inpainting_candidates,
    list_requirements=list_inpainting_requirements,
    make_name=make_inpainting_source_name,
    check_request=check_inpainting_request,
)
