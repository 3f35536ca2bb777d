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

from data_collection import console, face_images, manifest, openai_service, prompts
from data_collection.found_faces import FoundFace, Need, NotAFile, Request, Source, count_of
from data_collection.manifest import FaceRecord
from data_collection.openai_service import Asking, Refused, Unusable
from data_collection.prompt_list import Prompt
from data_collection.settings import CollectionSettings

SIDE = 1024
DRAWN = {"size": f"{SIDE}x{SIDE}", "quality": "low", "output_format": "png"}
"""The smallest standard size and the cheapest quality; canonical pictures are smaller still."""

AT_ONCE = 4
"""Pictures drawn at the same time; one takes up to a minute, nearly all of it waiting."""

TRIES = 2
"""Answers without a usable picture before the run stops; each may have been paid for."""

EDIT = "edit:"
INSTEAD = "--generated stable-diffusion:COUNT"


@dataclass(frozen=True)
class Order:
    """openai-images:COUNT, openai-images:edit:COUNT, or either with @MODEL."""

    count: int
    edit: bool
    model: str


def order_of(argument: str, settings: CollectionSettings) -> Order:
    """What is asked for.

    Raises:
        PlainError: the argument is no number of pictures.
    """
    text, _, model = argument.removeprefix(EDIT).partition("@")
    if not text:
        raise console.PlainError("openai-images names no number of pictures; write it as in openai-images:20.")
    count = count_of("openai-images", text, 0)
    return Order(count, argument.startswith(EDIT), model or settings.drawing.image_model)


def name(argument: str, settings: CollectionSettings) -> str:
    """The model's name: another model's picture 12 is another picture, and another source."""
    order = order_of(argument, settings)
    return order.model + ("-edit" if order.edit else "")


def needs(request: Request) -> list[Need]:
    order = order_of(request.argument, request.settings)
    key = openai_service.need(INSTEAD)
    words = prompts.needs(request.settings.prompting, request.settings.folder)
    paid = Need("credit", True, f"not asked about; up to {order.count} pictures by {order.model}, each paid for", INSTEAD)
    return [key, *(need for need in words if need.what != key.what), paid]


def find(request: Request) -> list[FoundFace]:
    """One face per picture, with the prompts in turn; missing prompts are written first.

    Raises:
        PlainError: there are no prompts, or no photographs to edit.
    """
    order = order_of(request.argument, request.settings)
    photographs = _photographs(request, order) if order.edit else [None] * order.count
    texts = prompts.write(request.settings.folder, request.settings.prompting, request.settings.seed)
    return [
        _face(request, order, number, texts[number % len(texts)], photograph) for number, photograph in enumerate(photographs)
    ]


def _photographs(request: Request, order: Order) -> Sequence[FaceRecord]:
    """The first ones in the manifest, which only grows: they stay the same from run to run."""
    if not request.photographs:
        raise console.PlainError("openai-images:edit has no photographs to edit; add a source of them with --real.")
    if len(request.photographs) < order.count:
        console.warn(f"openai-images:edit:{order.count} edits each photograph once, and there are {len(request.photographs)}.")
    return request.photographs[: order.count]


def _face(request: Request, order: Order, number: int, prompt: Prompt, photograph: FaceRecord | None) -> FoundFace:
    return FoundFace(
        "generated",
        request.source,
        f"{photograph.id[:16] if photograph else f'{number:06}'}.png",
        functools.partial(draw_one, order.model, prompt.text, request.settings.folder, photograph),
        lasting=True,
        prompt=prompt.text,
        generator=order.model,
        source_image=photograph.id if photograph else "",
        attributes=prompt.attributes,
        drawn_with={
            "api": "images.edit" if photograph else "images.generate",
            "model": order.model,
            **DRAWN,
            "openai": _library(),
        },
        together=_several,
    )


@functools.cache
def _library() -> str:
    try:
        return importlib.metadata.version("openai")
    except importlib.metadata.PackageNotFoundError:
        return ""  # a source that is complete is listed without it


def draw_one(model: str, prompt: str, folder: Path, photograph: FaceRecord | None) -> bytes:
    """The PNG bytes of one picture: drawn from the prompt, or the photograph of the data set in `folder` edited by it.

    Raises:
        NotAFile: moderation refuses the prompt or the photograph.
        PlainError: the service cannot be used, or sends no pictures.
    """
    asked = {"model": model, "prompt": prompt, **DRAWN}
    if photograph:
        asked["image"] = ("face.png", _upload(folder, photograph), "image/png")

    def work(client) -> bytes:
        answer = client.images.edit(**asked) if photograph else client.images.generate(**asked)
        data = base64.b64decode(answer.data[0].b64_json, validate=True)
        face_images.decode(data)  # what is no picture is a fault of the answer, not a picture to reject
        return data

    why = ""
    for _ in range(TRIES):
        try:
            return openai_service.ask(work, Asking(model, "--image-model", INSTEAD, openai_service.IMAGE_TIMEOUT))
        except Refused as refusal:
            raise NotAFile(f"refused by moderation: {refusal}") from None
        except Unusable as error:
            why = str(error)
    raise console.PlainError(
        f"{model} sent no picture, {TRIES} times ({why}). What was drawn is kept; run again, or give {INSTEAD}.", console.REMOTE
    )


def _upload(folder: Path, photograph: FaceRecord) -> bytes:
    """The upright square of the original as PNG, which every container becomes; its metadata (places, names) stay here."""
    square = face_images.decode(manifest.read_original(folder, photograph)).square
    square.thumbnail((SIDE, SIDE))
    square.info.clear()
    buffer = io.BytesIO()
    square.save(buffer, "PNG")
    return buffer.getvalue()


def _several(faces: Sequence[FoundFace]) -> Iterator[tuple[FoundFace, bytes | Exception]]:
    """Draws AT_ONCE pictures at a time and yields each when it is done; after a fatal fault or an interruption, those
    under way still come."""
    fatal: BaseException | None = None
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        drawing = {pool.submit(_outcome, face, stop): face for face in faces}
        try:
            while drawing:
                try:
                    finished, _ = concurrent.futures.wait(drawing, return_when=concurrent.futures.FIRST_COMPLETED)
                except KeyboardInterrupt as interrupt:
                    if stop.is_set():
                        raise  # the second time
                    fatal = fatal or interrupt
                    stop.set()
                    console.say("Waiting for the pictures under way, which are paid for; interrupt again to leave them.")
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


def _outcome(face: FoundFace, stop: threading.Event) -> bytes | Exception | None:
    """The bytes, or what took their place; None, unasked, once `stop` is set, which a fatal fault does at once."""
    if stop.is_set():
        return None
    try:
        return face.load()
    except (NotAFile, OSError) as error:
        return error
    except console.PlainError as error:
        stop.set()
        return error


OPENAI_IMAGES = Source(find, "openai-images:COUNT", needs, name)
