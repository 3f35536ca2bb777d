"""The collection's generators, each asked for one face: DRAWERS has one row per generator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from data_collection import (
    console,
    diffusion_artist,
    drawing_order,
    face_images,
    generated_faces,
    openai_images,
    reconstruction,
    stable_diffusion,
)
from data_collection.diffusion_artist import Artist
from data_collection.diffusion_painting import in_batches, paint
from data_collection.found_faces import FoundFace, Request
from data_collection.settings import CollectionSettings, DrawingSettings
from detection import drawing_readiness

LONGEST_PROMPT = 2000
"""Characters; Stable Diffusion reads 77 tokens of it, about 60 words."""


@dataclass(frozen=True)
class Drawn:
    """One drawn face.

    Attributes:
        png: a PNG file, without metadata.
        told: what it was drawn with, in words: model, seed, steps, size, device.
    """

    png: bytes
    told: str


@dataclass(frozen=True)
class Wish:
    """What one face is drawn from; `photo` is the upright square of a photograph, where one is needed."""

    prompt: str
    seed: int
    photo: Image.Image | None = None


@dataclass(frozen=True)
class Generator:
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
    ready: Callable[[DrawingSettings], str]
    draw: Callable[[DrawingSettings, Wish], Drawn]
    chance: Callable[[DrawingSettings], bool]


def _prompted(wish: Wish, photo: bytes | None) -> Wish:
    prompt = " ".join(wish.prompt.split())
    if not prompt:
        raise console.PlainError("The prompt is empty; describe a face, as in: a photo of the face of an old fisherman.")
    if len(prompt) > LONGEST_PROMPT:
        raise console.PlainError(f"The prompt has {len(prompt)} characters; give {LONGEST_PROMPT} at most.")
    return replace(wish, prompt=console.shown(prompt))


def _photographed(wish: Wish, photo: bytes | None) -> Wish:
    if not photo:
        raise console.PlainError("There is no photo to draw from; give one.")
    if len(photo) > face_images.MAX_BYTES:
        raise console.PlainError(f"The photo is larger than {face_images.MAX_BYTES // 1_000_000} MB.")
    try:
        return replace(wish, photo=face_images.decode(photo).square)
    except face_images.UnreadableImage as error:
        raise console.PlainError(f"The photo cannot be drawn from: {error}.") from None


WISHES: dict[str, Callable[[Wish, bytes | None], Wish]] = {
    "prompt": _prompted,
    "photo": _photographed,
    "nothing": lambda wish, photo: wish,
}


def _from_prompt(drawing: DrawingSettings, wish: Wish) -> Drawn:
    artist = diffusion_artist.load(drawing)
    png, facts = _painted(artist, lambda: paint(artist, drawing, [wish.prompt], [wish.seed]))
    return Drawn(png, f"{_name(drawing)}, {_steps(drawing, wish)}, {_size(png)}, {facts}")


def _from_photo(drawing: DrawingSettings, wish: Wish) -> Drawn:
    artist = reconstruction.load(drawing)
    side = reconstruction.fitting_side(wish.photo.width, drawing)
    photo = wish.photo.resize((side, side), Image.Resampling.LANCZOS)
    png, facts = _painted(artist, lambda: reconstruction.reconstruct(artist, drawing, [photo], [wish.seed]))
    redrawn = f"redrawn with strength {drawing.strength:g}, {_steps(drawing, wish)}"
    how = redrawn if drawing.strength else "passed through the autoencoder alone, which takes no seed"
    return Drawn(png, f"{_name(drawing)}, {how}, {_size(png)}, {facts}")


def _painted(artist: Artist, draw: Callable[[], list[bytes]]) -> tuple[bytes, str]:
    """One picture, if it fits into memory, and on what it was drawn."""
    ((face, png),) = in_batches([FoundFace("generated", "", "", bytes)], artist, lambda batch: draw())
    return png, f"on {face.drawn_with['device']} in {face.drawn_with['dtype']}"


def _name(drawing: DrawingSettings) -> str:
    """Of a folder only its last part: what lies where on this computer is not told."""
    return drawing_order.model_name("", CollectionSettings(drawing=drawing))


def _steps(drawing: DrawingSettings, wish: Wish) -> str:
    return f"seed {wish.seed}, {drawing.steps} steps, guidance {drawing.guidance:g}"


def _size(png: bytes) -> str:
    face = face_images.decode(png)
    return f"{face.width} x {face.height} pixels"


def _asked_for(drawing: DrawingSettings, wish: Wish) -> Drawn:
    png = openai_images.draw_one(drawing.image_model, wish.prompt, Path(), None)
    return Drawn(png, f"{drawing.image_model} of an OpenAI service, which takes no seed, {_size(png)}")


def _from_seed(drawing: DrawingSettings, wish: Wish) -> Drawn:
    (face,) = generated_faces.dcgan(Request("1", "dcgan", CollectionSettings(seed=wish.seed)))
    png = face.load()
    return Drawn(png, f"the sample's DCGAN, seed {wish.seed}, {_size(png)}")


DRAWERS: Mapping[str, Generator] = {
    "stable-diffusion": Generator(
        "prompt",
        "stable-diffusion@MODEL",
        "model",
        lambda drawing: drawing_readiness.of_model(drawing, stable_diffusion.passes(drawing)),
        _from_prompt,
        chance=lambda drawing: True,
    ),
    "reconstruction": Generator(
        "photo",
        "reconstruction@MODEL",
        "model",
        lambda drawing: drawing_readiness.of_model(drawing, reconstruction.passes(drawing), "" if drawing.strength else "vae"),
        _from_photo,
        chance=lambda drawing: drawing.strength > 0,
    ),
    "openai-images": Generator(
        "prompt",
        "openai-images@MODEL",
        "image_model",
        lambda drawing: drawing_readiness.of_service(),
        _asked_for,
        chance=lambda drawing: False,
    ),
    "dcgan": Generator(
        "nothing", "dcgan", "", lambda drawing: drawing_readiness.of_sample(), _from_seed, chance=lambda drawing: True
    ),
}
