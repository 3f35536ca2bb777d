"""Reconstruct photographs with Stable Diffusion's autoencoder, or redraw them with its whole model.

The only difference between the two classes is then the trace of the generator: content, framing and
size are those of the photograph (Guillaro et al. 2025, arXiv 2412.17671, train on such pairs).
"""

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.diffusion import batching, pipeline_loader, sampling
from data_collection.diffusion.pipeline_loader import LoadedPipeline
from data_collection.generation import diffusion_request, diffusion_requirements
from data_collection.generation.diffusion_request import (
    DEFAULT_GENERATED_COUNT,
    MAX_SEED_RETRIES,
    RETRY_SEED_STEP,
)
from data_collection.generation.diffusion_requirements import DECODER_COST_IN_PASSES
from data_collection.generation.face_generator import GeneratorInput
from data_collection.images import decode
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import CandidateFace, Source, SourceArgument, SourceRequest
from runtime import console

RECONSTRUCTION_PROMPT = "a photo of a face"
"""The prompt of redrawn photographs. It is not in the `prompt` of their rows: a prompt that all
share would put them all into one group."""

AUTOENCODER_STRIDE_PX = 8
"""Autoencoders downsample by this factor; sides are multiples of it."""


@dataclass(frozen=True)
class ReconstructionGenerator:
    """The FaceGenerator that starts from a square photograph, and with a strength from a seed too.

    Attributes:
        generation: the model, the strength and so on.
        revision: the commit on the hub; the newest if empty.
    """

    generation: GenerationSettings
    revision: str = ""

    def check(self) -> None:
        diffusion_request.check_scheduler(self.generation)
        strength, steps = self.generation.strength, self.generation.steps
        if strength and not int(steps * strength):
            raise console.PlainError(
                f"--strength {strength} of --steps {steps} leaves no step to run; give "
                f"--strength 0 for the autoencoder alone, or at least {1 / steps:.2g}."
            )

    def generate(self, inputs: Sequence[GeneratorInput]) -> Iterator[bytes]:
        """Yield one PNG per photograph; all photographs have one size."""
        loaded = load_reconstruction_pipeline(self.generation, self.revision)
        yield from batching.generate_in_batches(
            inputs,
            loaded,
            lambda batch: reconstruct_images(
                loaded,
                self.generation,
                [face_input.load_photo() for face_input in batch],
                [face_input.seed for face_input in batch],
            ),
        )

    @property
    def environment(self) -> Mapping[str, object]:
        return load_reconstruction_pipeline(self.generation, self.revision).environment


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
    settings = request.settings
    count = SourceArgument.parse(request.argument).require_count(
        "reconstruction", DEFAULT_GENERATED_COUNT
    )
    generation = diffusion_request.parse_generation_settings(request.argument, settings)
    if len(request.photographs) < count:
        console.print_warning(
            f"{request.source_name}: each photograph is reconstructed once, and there are "
            f"{len(request.photographs)}."
        )
    photographs = {record.id: record for record in request.photographs[:count]}
    load_many = functools.partial(
        reconstruct_candidates,
        generator=ReconstructionGenerator(generation),
        photographs=photographs,
        folder=settings.folder,
    )

    def build_candidate(record: FaceRecord, first_seed: int, attempt: int = 0) -> CandidateFace:
        is_redrawn = generation.strength > 0
        side = compute_reconstruction_side(min(record.width, record.height), generation)
        retry = functools.partial(build_candidate, record, first_seed, attempt + 1)
        face = CandidateFace(
            label="generated",
            source=request.source_name,
            file=f"{record.id[:16]}-{attempt}.png" if attempt else f"{record.id[:16]}.png",
            load=lambda: next(load_many([face]))[1],
            stable=True,
            seed=first_seed + RETRY_SEED_STEP * attempt if is_redrawn else None,
            generator=request.source_name,
            source_image=record.id,
            drawn_with=_dump_reconstruction_settings(generation, side),
            load_many=load_many,
            retry=retry if is_redrawn and attempt < MAX_SEED_RETRIES else None,
        )
        return face

    return [
        build_candidate(record, settings.seed + number)
        for number, record in enumerate(photographs.values())
    ]


def list_reconstruction_requirements(request: SourceRequest) -> list[Requirement]:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    only = "" if generation.strength else "vae"
    return diffusion_requirements.list_model_requirements(
        "reconstruction", request, generation, count_reconstruction_passes(generation), only
    )


def count_reconstruction_passes(generation: GenerationSettings) -> float:
    """Return the passes of the UNet for one image; the autoencoder counts as some."""
    return (
        int(generation.steps * generation.strength) * (2 if generation.guidance > 1 else 1)
        + 2 * DECODER_COST_IN_PASSES
    )


def check_reconstruction_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    recorded = _dump_reconstruction_settings(generation, generation.generation_size)
    del recorded["size"]  # it is the photograph's
    diffusion_request.check_diffusion_request("reconstruction", request, recorded, known)
    ReconstructionGenerator(generation).check()


def compute_reconstruction_side(shorter: int, generation: GenerationSettings) -> int:
    """Return the side of a reconstruction in pixels, at most the photograph's shorter side.

    Enlarging would leave a trace on one class only.
    """
    return max(
        AUTOENCODER_STRIDE_PX,
        min(generation.generation_size, shorter // AUTOENCODER_STRIDE_PX * AUTOENCODER_STRIDE_PX),
    )


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
    generator: ReconstructionGenerator,
    photographs: Mapping[str, FaceRecord],
    folder: Path,
) -> Iterator[tuple[CandidateFace, bytes]]:
    """Yield every face with its PNG, a batch of one size at a time.

    Raises:
        PlainError: the model is not available, a photograph is missing, or one image does not fit
            into memory.
    """

    def build_input(face: CandidateFace) -> GeneratorInput:
        def load_photo() -> Image.Image:
            original = stored_images.read_original(folder, photographs[face.source_image])
            return decode_square(original, _get_recorded_side(face))

        return GeneratorInput(seed=face.seed, load_photo=load_photo)

    by_side = sorted(faces, key=_get_recorded_side)
    for _, faces_of_one_side in itertools.groupby(by_side, key=_get_recorded_side):
        group = list(faces_of_one_side)
        images = generator.generate([build_input(face) for face in group])
        for face, png in zip(group, images, strict=True):
            yield replace(face, drawn_with={**face.drawn_with, **generator.environment}), png


def _get_recorded_side(face: CandidateFace) -> int:
    return face.drawn_with["size"]


def decode_square(photograph: bytes, side: int) -> Image.Image:
    """Return the centre square of a photograph's bytes, side x side pixels."""
    return decode.decode_face(photograph).square.resize((side, side), Image.Resampling.LANCZOS)


def load_reconstruction_pipeline(
    generation: GenerationSettings, revision: str = ""
) -> LoadedPipeline:
    """Load the autoencoder alone, or with a strength the whole model, which may be loaded already."""
    if generation.strength:
        return pipeline_loader.load_pipeline(generation, revision)
    return pipeline_loader.PIPELINE_CACHE.get(
        ("autoencoder", generation.model, revision),
        lambda: _load_autoencoder(generation, revision),
    )


def _load_autoencoder(generation: GenerationSettings, revision: str) -> LoadedPipeline:
    """Load it in single precision always: SDXL's own autoencoder ends in NaN in half precision."""
    pipeline_loader.silence_libraries()
    import diffusers

    return pipeline_loader.load_pretrained(
        diffusers.AutoencoderKL, generation, revision, "float32", {}, only="vae"
    )


def reconstruct_images(
    loaded: LoadedPipeline,
    generation: GenerationSettings,
    images: Sequence[Image.Image],
    seeds: Sequence[int | None],
) -> list[bytes]:
    """Encode and decode square images of one size, or redraw them from their seeds; return PNGs."""
    if not generation.strength:
        return sampling.encode_pngs(_encode_and_decode(loaded, images))
    import diffusers

    pipeline = diffusers.AutoPipelineForImage2Image.from_pipe(loaded.pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return sampling.sample_images(
        replace(loaded, pipeline=pipeline),
        generation,
        [RECONSTRUCTION_PROMPT] * len(images),
        seeds,
        {"image": list(images), "strength": generation.strength},
    )


def _encode_and_decode(loaded: LoadedPipeline, images: Sequence[Image.Image]) -> list[Image.Image]:
    """Encode to the most likely latents and decode them; nothing is random."""
    import torch
    from diffusers.image_processor import VaeImageProcessor

    processor = VaeImageProcessor(vae_scale_factor=AUTOENCODER_STRIDE_PX)
    with torch.inference_mode():
        pixels = processor.preprocess(list(images)).to(loaded.device)
        latents = loaded.pipeline.encode(pixels).latent_dist.mode()
        return processor.postprocess(loaded.pipeline.decode(latents).sample, output_type="pil")


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
