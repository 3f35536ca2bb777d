"""Generate one face at a time with the collection's generators, from a prompt, photo or seed."""

import os
import re
import threading
from dataclasses import replace
from pathlib import PureWindowsPath

from data_collection.generation.diffusion_request import RETRY_SEED_STEP, choose_model
from data_collection.images import decode, quality
from data_collection.services import openai_client
from data_collection.settings import GenerationSettings
from data_collection.source_types import SourceArgument, UnavailableImage
from detection.generate.generators import (
    INPUT_PARSERS,
    PAGE_GENERATORS,
    GeneratedFace,
    GenerationRequest,
    GeneratorSpec,
)
from detection.publish import path_redaction
from runtime import console

SEED_COUNT = 2**31

MAX_ATTEMPTS = 2
"""Seeds that are tried before giving up on single-coloured images; a collection, which nobody
waits for, tries six."""

# One lock for all generators: the pipeline cache holds one model, because two may not fit.
_generation_lock = threading.Lock()


class PageGenerator:
    """A generator with its settings; its model is loaded at the first image and stays in memory.

    Example:
        >>> generator = PageGenerator.from_source("stable-diffusion@SG161222/Realistic_Vision_V1.4")
        >>> generator.generate("a photo of the face of a nurse", None, 7).description

    Attributes:
        source: the generator as the user wrote it.
        kind: "prompt", "photo" or "nothing".
    """

    def __init__(self, source: str, spec: GeneratorSpec, generation: GenerationSettings):
        self.source, self.kind = source, spec.kind
        self._spec, self._generation = spec, generation

    @property
    def public_source(self) -> str:
        """The generator as strangers may see it: of a folder on this computer its name alone."""
        kind, at, model = self.source.partition("@")
        return f"{kind}{at}{PureWindowsPath(model).name if is_local_folder(model) else model}"

    @property
    def costs_money(self) -> bool:
        """Whether each image is paid for."""
        return self._spec.costs_money

    @classmethod
    def from_source(
        cls, source: str, generation: GenerationSettings | None = None
    ) -> "PageGenerator":
        """Parse KIND or KIND@MODEL; a COUNT, as collections have it, is ignored.

        Args:
            generation: steps, size and so on; by default those of a collection without options.

        Raises:
            PlainError: there is no such generator, or it cannot work with the settings.
        """
        kind, colon, argument = re.fullmatch(r"([^:@]*)(:?)(.*)", source, re.DOTALL).groups()
        parsed = SourceArgument.parse(argument)
        spec = PAGE_GENERATORS.get(kind)
        if (
            spec is None
            or parsed.edit
            or ("@" in argument) != bool(parsed.model)
            or (parsed.model and not spec.model_setting)
            or re.fullmatch("[0-9]+" if colon else "", parsed.count_text) is None
        ):
            examples = ", ".join(row.example for row in PAGE_GENERATORS.values())
            raise console.PlainError(
                f"{source[:80]!r} is not a generator of the page; write one of {examples}."
            )
        generation = generation or GenerationSettings()
        if spec.model_setting == "model":
            generation = choose_model(generation, parsed.model or generation.model)
        elif parsed.model:
            generation = replace(generation, **{spec.model_setting: parsed.model})
        spec.make(generation).check()
        return cls(source, spec, generation)

    def describe_obstacles(self) -> str:
        """Return why it cannot generate here, or what the first image waits for; or "".

        Nothing is loaded. For a model that is not on this machine, the hub is asked, which takes
        five seconds at most.
        """
        return _redact(self._spec.describe_obstacles(self._generation))

    def generate(self, prompt: str, photo: bytes | None, seed: int) -> GeneratedFace:
        """Generate one face; arguments that its `kind` does not use are ignored.

        Args:
            photo: an image file.
            seed: 0 to 2**31 - 1.

        Raises:
            PlainError: another face is being generated (exit code BUSY), the prompt or photo cannot
                be used, the model is not available, a safety checker refuses the image, or the disk
                is full (exit code DISK).
        """
        request = self._build_request(prompt, photo, seed)
        if not _generation_lock.acquire(blocking=False):
            raise console.PlainError(
                "Another face is being generated here; try again when it is done.",
                console.EXIT_BUSY,
            )
        try:
            return self._generate_with_retries(request)
        except Exception as error:
            plain_error = _convert_to_plain_error(error)
        finally:
            _generation_lock.release()
        raise plain_error  # out here, so that it carries no trace of a request or of tensors

    def _build_request(self, prompt: str, photo: bytes | None, seed: int) -> GenerationRequest:
        if not 0 <= seed < SEED_COUNT:
            raise console.PlainError(
                f"There is no such seed; give a whole number from 0 to {SEED_COUNT - 1}."
            )
        return INPUT_PARSERS[self.kind](GenerationRequest(prompt, seed), photo)

    def _generate_with_retries(self, request: GenerationRequest) -> GeneratedFace:
        max_attempts = MAX_ATTEMPTS if self._spec.varies_with_seed(self._generation) else 1
        for attempt in range(max_attempts):
            seed = (request.seed + RETRY_SEED_STEP * attempt) % SEED_COUNT
            face = self._spec.generate(self._generation, replace(request, seed=seed))
            if not quality.is_single_colour(decode.decode_face(face.png)):
                return face
        input_name = {"nothing": "seed"}.get(self.kind, self.kind)
        retried = ", also with another seed" if max_attempts > 1 else ""
        raise console.PlainError(
            f"The image came out in a single colour{retried}: the model's safety checker refuses "
            f"it, or the model is damaged. Give another {input_name}."
        )


def _convert_to_plain_error(error: Exception) -> console.PlainError:
    if isinstance(error, console.PlainError):
        return console.PlainError(_redact(str(error)), error.exit_code)
    disk_error = console.explain_os_error(error)
    if disk_error is not None:
        # only the terminal shows this one, where its path is of use
        return console.PlainError(_redact_secrets(str(disk_error)), disk_error.exit_code)
    if isinstance(error, UnavailableImage):
        return console.PlainError(f"{_redact(str(error)).capitalize()}.")
    return console.PlainError(
        f"The face could not be generated: {type(error).__name__}, {_redact(str(error))[:200]}.",
        console.EXIT_BAD_MODEL,
    )


SECRET_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "KAGGLE_KEY", "KAGGLE_API_TOKEN")


def is_local_folder(model: str) -> bool:
    """Return whether a model is a folder of this computer and no name on the hub."""
    return os.path.isdir(os.path.expanduser(model)) or path_redaction.is_outside_path(model)


def _redact(text: str) -> str:
    """Return one line without secrets and without the paths of this computer."""
    return path_redaction.redact_paths(_redact_secrets(text))


def _redact_secrets(text: str) -> str:
    """Return one line without keys, tokens and the passwords of addresses."""
    line = openai_client.remove_keys(text)
    for name in SECRET_VARIABLES:
        value = os.environ.get(name, "").strip()
        line = line.replace(value, "(token)") if len(value) >= 8 else line
    return re.sub(r"://[^/\s@]+@", "://", re.sub(r"\bhf_\w{6,}", "(token)", line))
