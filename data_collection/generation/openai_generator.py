"""Generate or edit faces with an image model of the OpenAI API; every image is paid for."""

import base64
import functools
import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from data_collection.generation.face_generator import GeneratorInput
from data_collection.images import decode, encode
from data_collection.services import openai_client
from data_collection.services.openai_client import ModerationRefusal, OpenAICall, UnusableAnswer
from data_collection.source_types import UnavailableImage
from runtime import console

OPENAI_IMAGE_SIDE_PX = 1024

OPENAI_IMAGE_OPTIONS = {
    "size": f"{OPENAI_IMAGE_SIDE_PX}x{OPENAI_IMAGE_SIDE_PX}",
    "quality": "low",
    "output_format": "png",
}
"""The smallest standard size and the cheapest quality; canonical pictures are smaller still."""

MAX_UNUSABLE_ANSWERS = 2
"""Answers without a usable image before the run stops; each may have been paid for."""

OPENAI_IMAGES_ALTERNATIVE = "--generated stable-diffusion:COUNT"


@dataclass(frozen=True)
class OpenAIImageGenerator:
    """The FaceGenerator that calls an image model of the OpenAI API; it takes no seed."""

    model: str

    def check(self) -> None:
        """Accept every model; only the service knows which ones there are."""

    def generate(self, inputs: Sequence[GeneratorInput]) -> Iterator[bytes]:
        """Yield one paid image per input; with a photograph, its edit."""
        for face_input in inputs:
            photo = face_input.load_photo() if face_input.load_photo else None
            upload = _encode_upload(photo) if photo else None
            yield request_image(self.model, face_input.prompt, upload)

    @property
    def environment(self) -> Mapping[str, object]:
        return {"openai": _read_openai_version()}


@functools.cache
def _read_openai_version() -> str:
    try:
        return importlib.metadata.version("openai")
    except importlib.metadata.PackageNotFoundError:
        return ""  # a source that is complete is listed without the package


def request_image(model: str, prompt: str, upload: bytes | None) -> bytes:
    """Request one image from the service; return it as PNG.

    Args:
        upload: a square photograph as PNG, to be edited as the prompt says; None to generate from
            the prompt alone.

    Raises:
        UnavailableImage: moderation refuses the prompt or the photograph.
        PlainError: the service cannot be used, or sends no images.
    """
    options = {"model": model, "prompt": prompt, **OPENAI_IMAGE_OPTIONS}
    if upload:
        options["image"] = ("face.png", upload, "image/png")

    def request_once(client) -> bytes:
        answer = client.images.edit(**options) if upload else client.images.generate(**options)
        data = base64.b64decode(answer.data[0].b64_json, validate=True)
        decode.decode_face(data)  # not an image: a fault of the answer, not an image to reject
        return data

    reason = ""
    call = OpenAICall(
        model=model,
        option="--image-model",
        alternative=OPENAI_IMAGES_ALTERNATIVE,
        timeout_s=openai_client.IMAGE_TIMEOUT_S,
    )
    for _ in range(MAX_UNUSABLE_ANSWERS):
        try:
            return openai_client.call_openai(request_once, call)
        except ModerationRefusal as refusal:
            raise UnavailableImage(f"refused by moderation: {refusal}") from None
        except UnusableAnswer as error:
            reason = str(error)
    raise console.PlainError(
        f"{model} sent no image, {MAX_UNUSABLE_ANSWERS} times ({reason}). The images generated so "
        f"far are saved; run again, or give {OPENAI_IMAGES_ALTERNATIVE}.",
        console.EXIT_REMOTE,
    )


def _encode_upload(square: Image.Image) -> bytes:
    """Encode as PNG, whatever the original format; leave out metadata (places, names)."""
    square = square.copy()
    square.thumbnail((OPENAI_IMAGE_SIDE_PX, OPENAI_IMAGE_SIDE_PX))
    square.info.clear()
    return encode.encode_png(square)
