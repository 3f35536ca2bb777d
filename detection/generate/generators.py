"""The collection's generators, each asked for one face: DRAWERS has one row per generator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from data_collection.diffusion import pipeline_loader
from data_collection.diffusion.pipeline_loader import LoadedPipeline
from data_collection.diffusion.sampling import sample_images
from data_collection.generation import diffusion_request
from data_collection.generation.batching import generate_in_batches
from data_collection.images import decode
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import CandidateFace, SourceRequest
from data_collection.sources import openai_images, reconstruction, sample, stable_diffusion
from detection.generate import readiness
from runtime import console

MAX_PROMPT_CHARS = 2000
"""Characters; Stable Diffusion reads 77 tokens of it, about 60 words."""


@dataclass(frozen=True)
class GeneratedFace:
    """One drawn face.

    Attributes:
        png: a PNG file, without metadata.
        told: what it was drawn with, in words: model, seed, steps, size, device.
    """

    png: bytes
    told: str


@dataclass(frozen=True)
class GenerationRequest:
    """What one face is drawn from; `photo` is the upright square of a photograph, where one is needed."""

    prompt: str
    seed: int
    photo: Image.Image | None = None


@dataclass(frozen=True)
class GeneratorSpec:
    """One row of DRAWERS.

    Attributes:
        kind: what it draws from, a name in WISHES.
        example: how it is written.
        model: the drawing setting that @MODEL stands for; empty if there is nothing to choose.
        ready: why it cannot draw here, or what the first picture waits for; imports nothing heavy.
        draw: one picture.
        chance: whether another seed gives another picture and costs nothing but time.
    """

    kind: str
    example: str
    model: str
    ready: Callable[[GenerationSettings], str]
    draw: Callable[[GenerationSettings, GenerationRequest], GeneratedFace]
    chance: Callable[[GenerationSettings], bool]


def _parse_prompt(wish: GenerationRequest, photo: bytes | None) -> GenerationRequest:
    prompt = " ".join(wish.prompt.split())
    if not prompt:
        raise console.PlainError(
            "The prompt is empty; describe a face, as in: a photo of the face of an old fisherman."
        )
    if len(prompt) > MAX_PROMPT_CHARS:
        raise console.PlainError(
            f"The prompt has {len(prompt)} characters; give {MAX_PROMPT_CHARS} at most."
        )
    return replace(wish, prompt=console.sanitise_text(prompt))


def _parse_photo(wish: GenerationRequest, photo: bytes | None) -> GenerationRequest:
    if not photo:
        raise console.PlainError("There is no photo to draw from; give one.")
    if len(photo) > decode.MAX_IMAGE_BYTES:
        raise console.PlainError(
            f"The photo is larger than {decode.MAX_IMAGE_BYTES // 1_000_000} MB."
        )
    try:
        return replace(wish, photo=decode.decode_face(photo).square)
    except decode.UnreadableImage as error:
        raise console.PlainError(f"The photo cannot be drawn from: {error}.") from None


INPUT_PARSERS: dict[str, Callable[[GenerationRequest, bytes | None], GenerationRequest]] = {
    "prompt": _parse_prompt,
    "photo": _parse_photo,
    "nothing": lambda wish, photo: wish,
}


def _generate_from_prompt(drawing: GenerationSettings, wish: GenerationRequest) -> GeneratedFace:
    artist = pipeline_loader.load_pipeline(drawing)
    png, facts = _sample_image(
        artist, lambda: sample_images(artist, drawing, [wish.prompt], [wish.seed])
    )
    return GeneratedFace(
        png,
        f"{_format_model_name(drawing)}, {_format_sampling(drawing, wish)}, {_format_size(png)}, {facts}",
    )


def _generate_from_photo(drawing: GenerationSettings, wish: GenerationRequest) -> GeneratedFace:
    artist = reconstruction.load_reconstruction_pipeline(drawing)
    side = reconstruction.compute_reconstruction_side(wish.photo.width, drawing)
    photo = wish.photo.resize((side, side), Image.Resampling.LANCZOS)
    png, facts = _sample_image(
        artist, lambda: reconstruction.reconstruct_images(artist, drawing, [photo], [wish.seed])
    )
    redrawn = f"redrawn with strength {drawing.strength:g}, {_format_sampling(drawing, wish)}"
    how = (
        redrawn if drawing.strength else "passed through the autoencoder alone, which takes no seed"
    )
    return GeneratedFace(png, f"{_format_model_name(drawing)}, {how}, {_format_size(png)}, {facts}")


def _sample_image(artist: LoadedPipeline, draw: Callable[[], list[bytes]]) -> tuple[bytes, str]:
    """One picture, if it fits into memory, and on what it was drawn."""
    ((face, png),) = generate_in_batches(
        [CandidateFace("generated", "", "", bytes)], artist, lambda batch: draw()
    )
    return png, f"on {face.drawn_with['device']} in {face.drawn_with['dtype']}"


def _format_model_name(drawing: GenerationSettings) -> str:
    """Of a folder only its last part: what lies where on this computer is not told."""
    return diffusion_request.make_model_source_name("", CollectionSettings(generation=drawing))


def _format_sampling(drawing: GenerationSettings, wish: GenerationRequest) -> str:
    return f"seed {wish.seed}, {drawing.steps} steps, guidance {drawing.guidance:g}"


def _format_size(png: bytes) -> str:
    face = decode.decode_face(png)
    return f"{face.width} x {face.height} pixels"


def _generate_with_openai(drawing: GenerationSettings, wish: GenerationRequest) -> GeneratedFace:
    png = openai_images.request_image(drawing.image_model, wish.prompt, Path(), None)
    return GeneratedFace(
        png, f"{drawing.image_model} of an OpenAI service, which takes no seed, {_format_size(png)}"
    )


def _generate_with_dcgan(drawing: GenerationSettings, wish: GenerationRequest) -> GeneratedFace:
    (face,) = sample.list_dcgan_candidates(
        SourceRequest("1", "dcgan", CollectionSettings(seed=wish.seed))
    )
    png = face.load()
    return GeneratedFace(png, f"the sample's DCGAN, seed {wish.seed}, {_format_size(png)}")


PAGE_GENERATORS: Mapping[str, GeneratorSpec] = {
    "stable-diffusion": GeneratorSpec(
        "prompt",
        "stable-diffusion@MODEL",
        "model",
        lambda drawing: readiness.describe_model_obstacles(
            drawing, stable_diffusion.count_sampling_passes(drawing)
        ),
        _generate_from_prompt,
        chance=lambda drawing: True,
    ),
    "reconstruction": GeneratorSpec(
        "photo",
        "reconstruction@MODEL",
        "model",
        lambda drawing: readiness.describe_model_obstacles(
            drawing,
            reconstruction.count_reconstruction_passes(drawing),
            "" if drawing.strength else "vae",
        ),
        _generate_from_photo,
        chance=lambda drawing: drawing.strength > 0,
    ),
    "openai-images": GeneratorSpec(
        "prompt",
        "openai-images@MODEL",
        "image_model",
        lambda drawing: readiness.describe_service_obstacles(),
        _generate_with_openai,
        chance=lambda drawing: False,
    ),
    "dcgan": GeneratorSpec(
        "nothing",
        "dcgan",
        "",
        lambda drawing: readiness.describe_sample_obstacles(),
        _generate_with_dcgan,
        chance=lambda drawing: True,
    ),
}
