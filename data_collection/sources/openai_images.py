"""Generate faces with an image model of the OpenAI API, from prompts or by editing photographs.

Every image is paid for.
"""

import concurrent.futures
import functools
import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.generation.face_generator import GeneratorInput
from data_collection.generation.openai_generator import (
    OPENAI_IMAGE_OPTIONS,
    OPENAI_IMAGES_ALTERNATIVE,
    OpenAIImageGenerator,
)
from data_collection.images import decode
from data_collection.prompts import prompts
from data_collection.prompts.prompt_file import Prompt
from data_collection.requirement import Requirement
from data_collection.services import openai_client
from data_collection.settings import CollectionSettings
from data_collection.source_types import (
    CandidateFace,
    Source,
    SourceArgument,
    SourceRequest,
    UnavailableImage,
)
from runtime import console
from runtime.terminal.counting import format_count

MAX_CONCURRENT_IMAGE_REQUESTS = 4
"""Requests at the same time; an image takes up to a minute, nearly all of it waiting."""


@dataclass(frozen=True)
class OpenAIImagesRequest:
    """The parsed openai-images:COUNT or openai-images:edit:COUNT, either with @MODEL."""

    count: int
    edit: bool
    model: str


def parse_openai_images_argument(
    argument: str, settings: CollectionSettings
) -> OpenAIImagesRequest:
    """Parse the argument; a count is required, because every image is paid for.

    Raises:
        PlainError: the argument names no count of images.
    """
    parsed = SourceArgument.parse(argument)
    if not parsed.count_text:
        raise console.PlainError(
            "openai-images lacks a number of images; write it as in openai-images:20."
        )
    count = parsed.require_count("openai-images", 0, may_edit=True)
    return OpenAIImagesRequest(count, parsed.edit, parsed.model or settings.generation.image_model)


def make_openai_source_name(argument: str, settings: CollectionSettings) -> str:
    """Return the model's name: images of different models need different sources."""
    parsed = parse_openai_images_argument(argument, settings)
    return parsed.model + ("-edit" if parsed.edit else "")


def list_openai_requirements(request: SourceRequest) -> list[Requirement]:
    parsed = parse_openai_images_argument(request.argument, request.settings)
    key = openai_client.check_api_key(OPENAI_IMAGES_ALTERNATIVE)
    prompt_requirements = prompts.list_prompt_requirements(
        request.settings.prompt_settings, request.settings.folder
    )
    images = format_count(parsed.count, "image")
    paid = Requirement(
        name="credit",
        met=True,
        status=f"not checked; up to {images} by {parsed.model}, each paid for",
        alternative=OPENAI_IMAGES_ALTERNATIVE,
    )
    others = [requirement for requirement in prompt_requirements if requirement.name != key.name]
    return [key, *others, paid]


def prepare_openai_images(request: SourceRequest) -> list[Prompt]:
    """Return the data set's prompts; writing the missing ones may call a paid service.

    Raises:
        PlainError: there are no prompts, or no photographs to edit.
    """
    settings = request.settings
    parsed = parse_openai_images_argument(request.argument, settings)
    if parsed.edit and not request.photographs:
        raise console.PlainError(
            "openai-images:edit has no photographs to edit; add a source of them with --real."
        )
    if parsed.edit and len(request.photographs) < parsed.count:
        console.print_warning(
            f"openai-images:edit:{parsed.count} edits each photograph once, and there are "
            f"{len(request.photographs)}."
        )
    return prompts.ensure_prompts(settings.folder, settings.prompt_settings, settings.seed)


def list_openai_candidates(
    request: SourceRequest, face_prompts: Sequence[Prompt]
) -> list[CandidateFace]:
    """List one face per image, taking the prompts in turn.

    Edits take the first photographs of the manifest, which only grows: they stay the same from run
    to run.
    """
    parsed = parse_openai_images_argument(request.argument, request.settings)
    photographs = (
        request.photographs[: parsed.count] if parsed.edit else itertools.repeat(None, parsed.count)
    )
    return [
        _build_candidate(request, parsed.model, f"{number:06}", prompt, photograph)
        for number, (photograph, prompt) in enumerate(
            zip(photographs, itertools.cycle(face_prompts), strict=False)
        )
    ]


def _build_candidate(
    request: SourceRequest,
    model: str,
    name: str,
    prompt: Prompt,
    photograph: FaceRecord | None,
) -> CandidateFace:
    """Build one face; an edit is named by its photograph, any other by `name`."""
    folder = request.settings.folder
    return CandidateFace(
        label="generated",
        source=request.source_name,
        file=f"{photograph.id[:16] if photograph else name}.png",
        load=functools.partial(_generate_image, model, prompt.text, folder, photograph),
        stable=True,
        prompt=prompt.text,
        generator=model,
        source_image=photograph.id if photograph else "",
        attributes=prompt.attributes,
        drawn_with={
            "api": "images.edit" if photograph else "images.generate",
            "model": model,
            **OPENAI_IMAGE_OPTIONS,
            **OpenAIImageGenerator(model).environment,
        },
        load_many=_load_concurrently,
    )


def _generate_image(model: str, prompt: str, folder: Path, photograph: FaceRecord | None) -> bytes:
    """Return one image: from the prompt, or by editing a photograph of the data set in `folder`."""

    def load_photo() -> Image.Image:
        return decode.decode_face(stored_images.read_original(folder, photograph)).square

    face_input = GeneratorInput(prompt, load_photo=load_photo if photograph else None)
    return next(OpenAIImageGenerator(model).generate([face_input]))


def _load_concurrently(
    faces: Sequence[CandidateFace],
) -> Iterator[tuple[CandidateFace, bytes | Exception]]:
    """Request MAX_CONCURRENT_IMAGE_REQUESTS images at a time; yield each when it is done.

    After a fatal error or an interruption, the images under way are still yielded: they are paid
    for.
    """
    fatal: BaseException | None = None
    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(MAX_CONCURRENT_IMAGE_REQUESTS) as pool:
        running = {pool.submit(_load_image_or_error, face, stop): face for face in faces}
        try:
            while running:
                try:
                    finished, _ = concurrent.futures.wait(
                        running, return_when=concurrent.futures.FIRST_COMPLETED
                    )
                except KeyboardInterrupt as interrupt:
                    if stop.is_set():
                        raise  # the second time
                    fatal = fatal or interrupt
                    stop.set()
                    console.print_message(
                        "Waiting for the images under way, which are paid for; interrupt again to "
                        "drop them."
                    )
                    continue
                for future in finished:
                    face, outcome = running.pop(future), future.result()
                    if isinstance(outcome, console.PlainError):
                        fatal = fatal or outcome
                    elif outcome is not None:
                        yield face, outcome
        finally:
            stop.set()
    if fatal:
        raise fatal


def _load_image_or_error(face: CandidateFace, stop: threading.Event) -> bytes | Exception | None:
    """Return the bytes, or the error instead; None, without a request, once `stop` is set.

    A fatal error sets `stop` at once.
    """
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
    example="openai-images:COUNT",
    prepare=prepare_openai_images,
    candidates=list_openai_candidates,
    list_requirements=list_openai_requirements,
    make_name=make_openai_source_name,
)
