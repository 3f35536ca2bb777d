"""PAGE_GENERATORS: the collection's generators, one row each, for one face at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image

from data_collection.generation import diffusion_request, reconstruction_generator
from data_collection.generation.face_generator import FaceGenerator, GeneratorInput
from data_collection.generation.openai_generator import OpenAIImageGenerator
from data_collection.generation.reconstruction_generator import ReconstructionGenerator
from data_collection.generation.stable_diffusion_generator import (
    StableDiffusionGenerator,
    count_sampling_passes,
)
from data_collection.images import decode, errors
from data_collection.images.decoding_pool import COMMAND_POOL
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.sources.sample import DcganGenerator
from detection.generate import generator_requirements
from runtime import console

MAX_PROMPT_CHARS = 2000
"""Stable Diffusion reads 77 tokens of a prompt, about 60 words."""


InputKind = Literal["prompt", "photo", "nothing"]


@dataclass(frozen=True)
class GeneratedFace:
    """One generated face.

    Attributes:
        png: a PNG file, without metadata.
        description: how it was generated, in words: model, seed, steps, size, device.
    """

    png: bytes
    description: str


@dataclass(frozen=True)
class GenerationRequest:
    """Input of one generation.

    Attributes:
        photo: the upright square of a photograph; None if the generator needs none.
    """

    prompt: str
    seed: int
    photo: Image.Image | None = None


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec:
    """One row of PAGE_GENERATORS.

    Attributes:
        kind: what it generates from, a name in INPUT_PARSERS.
        example: how it is written on the command line.
        model_setting: the generation setting that @MODEL stands for; empty if there is no choice.
        make: builds the generator; loads and imports nothing heavy.
        describe_obstacles: why it cannot generate here, or what the first image waits for; imports
            nothing heavy.
        describe: how an image was generated, in words.
        costs_money: whether each image is paid for.
        varies_with_seed: whether another seed gives another image and costs nothing but time.
    """

    kind: InputKind
    example: str
    model_setting: str
    make: Callable[[GenerationSettings], FaceGenerator]
    describe_obstacles: Callable[[GenerationSettings], str]
    describe: Callable[[GenerationSettings, GenerationRequest], str]
    varies_with_seed: Callable[[GenerationSettings], bool]
    costs_money: bool = False

    def generate(self, generation: GenerationSettings, request: GenerationRequest) -> GeneratedFace:
        """Generate one face, in a batch of its own."""
        generator = self.make(generation)

        def load_photo() -> Image.Image:
            side = reconstruction_generator.compute_reconstruction_side(
                request.photo.width, generation
            )
            return request.photo.resize((side, side), Image.Resampling.LANCZOS)

        face_input = GeneratorInput(
            request.prompt, request.seed, load_photo if request.photo else None
        )
        (png,) = generator.generate([face_input])
        details = [self.describe(generation, request), _format_size(png)]
        if "device" in generator.environment:
            details.append("on {device} in {dtype}".format(**generator.environment))
        return GeneratedFace(png, ", ".join(details))


def _parse_prompt(request: GenerationRequest, photo: bytes | None) -> GenerationRequest:
    prompt = " ".join(request.prompt.split())
    if not prompt:
        raise console.PlainError(
            "The prompt is empty; describe a face, as in: a photo of the face of an old fisherman."
        )
    if len(prompt) > MAX_PROMPT_CHARS:
        raise console.PlainError(
            f"The prompt has {len(prompt)} characters; give {MAX_PROMPT_CHARS} at most."
        )
    return replace(request, prompt=console.sanitise_text(prompt))


def _parse_photo(request: GenerationRequest, photo: bytes | None) -> GenerationRequest:
    if not photo:
        raise console.PlainError("There is no photo to start from; give one.")
    if len(photo) > decode.MAX_IMAGE_BYTES:
        raise console.PlainError(
            f"The photo is larger than {decode.MAX_IMAGE_BYTES // 1_000_000} MB."
        )
    try:
        return replace(request, photo=COMMAND_POOL.decode_face(photo).square)
    except errors.UnreadableImage as error:
        raise console.PlainError(f"The photo cannot be used: {error}.") from None


INPUT_PARSERS: dict[InputKind, Callable[[GenerationRequest, bytes | None], GenerationRequest]] = {
    "prompt": _parse_prompt,
    "photo": _parse_photo,
    "nothing": lambda request, photo: request,
}


def _describe_stable_diffusion(generation: GenerationSettings, request: GenerationRequest) -> str:
    return f"{_format_model_name(generation)}, {_format_sampling(generation, request)}"


def _describe_reconstruction(generation: GenerationSettings, request: GenerationRequest) -> str:
    model_name = _format_model_name(generation)
    if not generation.strength:
        return f"{model_name}, passed through the autoencoder alone, which takes no seed"
    sampling = _format_sampling(generation, request)
    return f"{model_name}, redrawn with strength {generation.strength:g}, {sampling}"


def _format_model_name(generation: GenerationSettings) -> str:
    """Return the model's name; of a folder only the last part, because paths stay private."""
    return diffusion_request.make_model_source_name("", CollectionSettings(generation=generation))


def _format_sampling(generation: GenerationSettings, request: GenerationRequest) -> str:
    return f"seed {request.seed}, {generation.steps} steps, guidance {generation.guidance:g}"


def _format_size(png: bytes) -> str:
    face = decode.decode_face(png)
    return f"{face.width} x {face.height} pixels"


PAGE_GENERATORS: Mapping[str, GeneratorSpec] = {
    "stable-diffusion": GeneratorSpec(
        kind="prompt",
        example="stable-diffusion@MODEL",
        model_setting="model",
        make=StableDiffusionGenerator,
        describe_obstacles=lambda generation: generator_requirements.describe_model_obstacles(
            generation, count_sampling_passes(generation)
        ),
        describe=_describe_stable_diffusion,
        varies_with_seed=lambda generation: True,
    ),
    "reconstruction": GeneratorSpec(
        kind="photo",
        example="reconstruction@MODEL",
        model_setting="model",
        make=ReconstructionGenerator,
        describe_obstacles=lambda generation: generator_requirements.describe_model_obstacles(
            generation,
            reconstruction_generator.count_reconstruction_passes(generation),
            "" if generation.strength else "vae",
        ),
        describe=_describe_reconstruction,
        varies_with_seed=lambda generation: generation.strength > 0,
    ),
    "openai-images": GeneratorSpec(
        kind="prompt",
        example="openai-images@MODEL",
        model_setting="image_model",
        make=lambda generation: OpenAIImageGenerator(generation.image_model),
        describe_obstacles=lambda generation: generator_requirements.describe_service_obstacles(),
        describe=lambda generation, request: (
            f"{generation.image_model} of an OpenAI service, which takes no seed"
        ),
        varies_with_seed=lambda generation: False,
        costs_money=True,
    ),
    "dcgan": GeneratorSpec(
        kind="nothing",
        example="dcgan",
        model_setting="",
        make=lambda generation: DcganGenerator(),
        describe_obstacles=lambda generation: generator_requirements.describe_sample_obstacles(),
        describe=lambda generation, request: f"the sample's DCGAN, seed {request.seed}",
        varies_with_seed=lambda generation: True,
    ),
}
