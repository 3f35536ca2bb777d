"""Faces drawn by an image model of the OpenAI API, from prompts alone or by editing photographs. Every picture is paid for."""

import base64
import concurrent.futures
import functools
import importlib.metadata
import io
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from data_collection.prompts import prompts
from data_collection.prompts.prompt_file import Prompt
from data_collection.requirement import Requirement
from data_collection.services import openai_client
from data_collection.services.openai_client import ModerationRefusal, OpenAICall, UnusableAnswer
from data_collection.settings import CollectionSettings
from data_collection.source_types import (
    CandidateFace,
    Source,
    SourceRequest,
    UnavailableImage,
    parse_count,
)
from runtime import console

OPENAI_IMAGE_SIDE_PX = 1024
OPENAI_IMAGE_OPTIONS = {
    "size": f"{OPENAI_IMAGE_SIDE_PX}x{OPENAI_IMAGE_SIDE_PX}",
    "quality": "low",
    "output_format": "png",
}
"""The smallest standard size and the cheapest quality; canonical pictures are smaller still."""

MAX_CONCURRENT_IMAGE_REQUESTS = 4
"""Pictures drawn at the same time; one takes up to a minute, nearly all of it waiting."""

MAX_UNUSABLE_ANSWERS = 2
"""Answers without a usable picture before the run stops; each may have been paid for."""

EDIT_PREFIX = "edit:"
OPENAI_IMAGES_ALTERNATIVE = "--generated stable-diffusion:COUNT"


@dataclass(frozen=True)
class OpenAIImagesRequest:
    """openai-images:COUNT, openai-images:edit:COUNT, or either with @MODEL."""

    count: int
    edit: bool
    model: str


def parse_openai_images_argument(
    argument: str, settings: CollectionSettings
) -> OpenAIImagesRequest:
    """What is asked for.

    Raises:
        PlainError: the argument is no number of pictures.
    """
    text, _, model = argument.removeprefix(EDIT_PREFIX).partition("@")
    if not text:
        raise console.PlainError(
            "openai-images names no number of pictures; write it as in openai-images:20."
        )
    count = parse_count("openai-images", text, 0)
    return OpenAIImagesRequest(
        count, argument.startswith(EDIT_PREFIX), model or settings.generation.image_model
    )


def make_openai_source_name(argument: str, settings: CollectionSettings) -> str:
    """The model's name: another model's picture 12 is another picture, and another source."""
    order = parse_openai_images_argument(argument, settings)
    return order.model + ("-edit" if order.edit else "")


def list_openai_requirements(request: SourceRequest) -> list[Requirement]:
    order = parse_openai_images_argument(request.argument, request.settings)
    key = openai_client.check_api_key(OPENAI_IMAGES_ALTERNATIVE)
    words = prompts.list_prompt_requirements(
        request.settings.prompt_settings, request.settings.folder
    )
    paid = Requirement(
        "credit",
        True,
        f"not asked about; up to {order.count} pictures by {order.model}, each paid for",
        OPENAI_IMAGES_ALTERNATIVE,
    )
    return [key, *(need for need in words if need.what != key.what), paid]


def list_openai_candidates(request: SourceRequest) -> list[CandidateFace]:
    """One face per picture, with the prompts in turn; missing prompts are written first.

    Raises:
        PlainError: there are no prompts, or no photographs to edit.
    """
    order = parse_openai_images_argument(request.argument, request.settings)
    photographs = _select_photographs(request, order) if order.edit else [None] * order.count
    texts = prompts.ensure_prompts(
        request.settings.folder, request.settings.prompt_settings, request.settings.seed
    )
    return [
        _build_candidate(request, order, number, texts[number % len(texts)], photograph)
        for number, photograph in enumerate(photographs)
    ]


def _select_photographs(request: SourceRequest, order: OpenAIImagesRequest) -> Sequence[FaceRecord]:
    """The first ones in the manifest, which only grows: they stay the same from run to run."""
    if not request.photographs:
        raise console.PlainError(
            "openai-images:edit has no photographs to edit; add a source of them with --real."
        )
    if len(request.photographs) < order.count:
        console.print_warning(
            f"openai-images:edit:{order.count} edits each photograph once, and there are {len(request.photographs)}."
        )
    return request.photographs[: order.count]


def _build_candidate(
    request: SourceRequest,
    order: OpenAIImagesRequest,
    number: int,
    prompt: Prompt,
    photograph: FaceRecord | None,
) -> CandidateFace:
    return CandidateFace(
        "generated",
        request.source,
        f"{photograph.id[:16] if photograph else f'{number:06}'}.png",
        functools.partial(
            request_image, order.model, prompt.text, request.settings.folder, photograph
        ),
        lasting=True,
        prompt=prompt.text,
        generator=order.model,
        source_image=photograph.id if photograph else "",
        attributes=prompt.attributes,
        drawn_with={
            "api": "images.edit" if photograph else "images.generate",
            "model": order.model,
            **OPENAI_IMAGE_OPTIONS,
            "openai": _read_openai_version(),
        },
        together=_request_images_concurrently,
    )


@functools.cache
def _read_openai_version() -> str:
    try:
        return importlib.metadata.version("openai")
    except importlib.metadata.PackageNotFoundError:
        return ""  # a source that is complete is listed without it


def request_image(model: str, prompt: str, folder: Path, photograph: FaceRecord | None) -> bytes:
    """The PNG bytes of one picture: drawn from the prompt, or the photograph of the data set in `folder` edited by it.

    Raises:
        NotAFile: moderation refuses the prompt or the photograph.
        PlainError: the service cannot be used, or sends no pictures.
    """
    asked = {"model": model, "prompt": prompt, **OPENAI_IMAGE_OPTIONS}
    if photograph:
        asked["image"] = ("face.png", _encode_upload(folder, photograph), "image/png")

    def work(client) -> bytes:
        answer = client.images.edit(**asked) if photograph else client.images.generate(**asked)
        data = base64.b64decode(answer.data[0].b64_json, validate=True)
        decode.decode_face(
            data
        )  # what is no picture is a fault of the answer, not a picture to reject
        return data

    why = ""
    for _ in range(MAX_UNUSABLE_ANSWERS):
        try:
            return openai_client.call_openai(
                work,
                OpenAICall(
                    model, "--image-model", OPENAI_IMAGES_ALTERNATIVE, openai_client.IMAGE_TIMEOUT_S
                ),
            )
        except ModerationRefusal as refusal:
            raise UnavailableImage(f"refused by moderation: {refusal}") from None
        except UnusableAnswer as error:
            why = str(error)
    raise console.PlainError(
        f"{model} sent no picture, {MAX_UNUSABLE_ANSWERS} times ({why}). What was drawn is kept; "
        f"run again, or give {OPENAI_IMAGES_ALTERNATIVE}.",
        console.EXIT_REMOTE,
    )


def _encode_upload(folder: Path, photograph: FaceRecord) -> bytes:
    """The upright square of the original as PNG, which every container becomes; its metadata (places, names) stay here."""
    square = decode.decode_face(stored_images.read_original(folder, photograph)).square
    square.thumbnail((OPENAI_IMAGE_SIDE_PX, OPENAI_IMAGE_SIDE_PX))
    square.info.clear()
    buffer = io.BytesIO()
    square.save(buffer, "PNG")
    return buffer.getvalue()


def _request_images_concurrently(
    faces: Sequence[CandidateFace],
) -> Iterator[tuple[CandidateFace, bytes | Exception]]:
    """Draws AT_ONCE pictures at a time and yields each when it is done; after a fatal fault or an interruption, those
    under way still come."""
    fatal: BaseException | None = None
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(MAX_CONCURRENT_IMAGE_REQUESTS) as pool:
        drawing = {pool.submit(_load_image_or_error, face, stop): face for face in faces}
        try:
            while drawing:
                try:
                    finished, _ = concurrent.futures.wait(
                        drawing, return_when=concurrent.futures.FIRST_COMPLETED
                    )
                except KeyboardInterrupt as interrupt:
                    if stop.is_set():
                        raise  # the second time
                    fatal = fatal or interrupt
                    stop.set()
                    console.print_message(
                        "Waiting for the pictures under way, which are paid for; interrupt again to leave them."
                    )
                    continue
                for done in finished:
                    face, outcome = drawing.pop(done), done.result()
                    if isinstance(outcome, console.PlainError):
                        fatal = fatal or outcome
                    elif outcome is not None:
                        yield face, outcome
        finally:
            stop.set()
    if fatal:
        raise fatal


def _load_image_or_error(face: CandidateFace, stop: threading.Event) -> bytes | Exception | None:
    """The bytes, or what took their place; None, unasked, once `stop` is set, which a fatal fault does at once."""
    if stop.is_set():
        return None
    try:
        return face.load()
    except (UnavailableImage, OSError) as error:
        return error
    except console.PlainError as error:
        stop.set()
        return error


OPENAI_IMAGES = Source(
    list_openai_candidates, "openai-images:COUNT", list_openai_requirements, make_openai_source_name
)
