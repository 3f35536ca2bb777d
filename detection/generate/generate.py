"""Draws one generated face at a time with the collection's generators: from a prompt, from a photo, or from a seed alone."""

import os
import re
import threading
from dataclasses import replace

from data_collection.generation.diffusion_request import RETRY_SEED_STEP
from data_collection.images import decode, quality
from data_collection.services import openai_client
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import SourceRequest, UnavailableImage
from data_collection.sources import registry
from detection.generate.generators import (
    INPUT_PARSERS,
    PAGE_GENERATORS,
    GeneratedFace,
    GenerationRequest,
    GeneratorSpec,
)
from runtime import console

SEED_COUNT = 2**31

MAX_ATTEMPTS = 2
"""Seeds that are drawn before a single-coloured picture is given up; a collection takes six, but nobody waits for it."""

_generation_lock = (
    threading.Lock()
)  # for all drawers: diffusion_artist keeps one model, because two may not fit


class PageGenerator:
    """A generator, ready to draw; its model is loaded at the first picture and kept.

    Example:
        >>> Drawer.of("stable-diffusion@SG161222/Realistic_Vision_V1.4").draw("a photo of the face of a nurse", None, 7).told

    Attributes:
        source: as it was written.
        kind: "prompt", "photo" or "nothing".
    """

    def __init__(self, source: str, generator: GeneratorSpec, drawing: GenerationSettings):
        self.source, self.kind, self._generator, self._drawing = (
            source,
            generator.kind,
            generator,
            drawing,
        )

    @classmethod
    def of(cls, source: str, drawing: GenerationSettings | None = None) -> "PageGenerator":
        """Reads KIND or KIND@MODEL; a COUNT, as collections have it, is passed over.

        Args:
            drawing: steps, size and so on; those of a collection without options, if none are given.

        Raises:
            PlainError: no such generator, or settings that it cannot draw with.
        """
        parts = re.fullmatch(r"([a-z-]+)(?::[0-9]+)?(?:@(.+))?", source)
        generator = PAGE_GENERATORS.get(parts[1]) if parts else None
        if generator is None or (parts[2] and not generator.model):
            examples = ", ".join(row.example for row in PAGE_GENERATORS.values())
            raise console.PlainError(
                f"{source[:80]!r} draws nothing here; write one of {examples}."
            )
        settings = CollectionSettings(generation=drawing or GenerationSettings())
        chosen = replace(settings.generation, **{generator.model: parts[2]} if parts[2] else {})
        registry.GENERATORS[parts[1]].check(
            SourceRequest("1", source, replace(settings, generation=chosen)), ()
        )
        return cls(source, generator, chosen)

    def ready(self) -> str:
        """Why it cannot draw here, or what the first picture waits for, in plain words; empty if nothing is in the way.

        Nothing is loaded; a model that is not at hand is asked about on the hub, which takes five seconds at most.
        """
        return _redact_secrets(self._generator.ready(self._drawing))

    def draw(self, prompt: str, photo: bytes | None, seed: int) -> GeneratedFace:
        """Draws one face; what its `kind` does not draw from is passed over.

        Args:
            photo: a picture file.
            seed: 0 to 2**31 - 1.

        Raises:
            PlainError: another face is being drawn (exit code BUSY), a prompt or photo that cannot be drawn from, a model that
                cannot be had, or a safety checker that refuses what it draws.
        """
        wish = self._wish(prompt, photo, seed)
        if not _generation_lock.acquire(blocking=False):
            raise console.PlainError(
                "Another face is being drawn here; try again when it is done.", console.EXIT_BUSY
            )
        try:
            return self._drawn(wish)
        except Exception as error:
            fault = _convert_to_plain_error(error)
        finally:
            _generation_lock.release()
        raise fault  # out here, so that it carries no trace of a request or of tensors

    def _wish(self, prompt: str, photo: bytes | None, seed: int) -> GenerationRequest:
        if not 0 <= seed < SEED_COUNT:
            raise console.PlainError(
                f"There is no such seed; give a whole number from 0 to {SEED_COUNT - 1}."
            )
        return INPUT_PARSERS[self.kind](GenerationRequest(prompt, seed), photo)

    def _drawn(self, wish: GenerationRequest) -> GeneratedFace:
        tries = MAX_ATTEMPTS if self._generator.chance(self._drawing) else 1
        for attempt in range(tries):
            drawn = self._generator.draw(
                self._drawing,
                replace(wish, seed=(wish.seed + RETRY_SEED_STEP * attempt) % SEED_COUNT),
            )
            if not quality.is_single_colour(decode.decode_face(drawn.png)):
                return drawn
        other = {"nothing": "seed"}.get(self.kind, self.kind)
        again = ", and so with another seed" if tries > 1 else ""
        raise console.PlainError(
            f"The picture came out in a single colour{again}: the model's safety checker refuses it, or the model is broken. "
            f"Give another {other}."
        )


def _convert_to_plain_error(error: Exception) -> console.PlainError:
    if isinstance(error, console.PlainError):
        return console.PlainError(_redact_secrets(str(error)), error.exit_code)
    if isinstance(error, UnavailableImage):
        return console.PlainError(f"{_redact_secrets(str(error)).capitalize()}.")
    return console.PlainError(
        f"The face could not be drawn: {type(error).__name__}, {_redact_secrets(str(error))[:200]}.",
        console.EXIT_BAD_MODEL,
    )


SECRET_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "KAGGLE_KEY", "KAGGLE_API_TOKEN")


def _redact_secrets(text: str) -> str:
    """One line without keys, tokens and the passwords of addresses."""
    line = openai_client.remove_keys(text)
    for name in SECRET_VARIABLES:
        value = os.environ.get(name, "").strip()
        line = line.replace(value, "(token)") if len(value) >= 8 else line
    return re.sub(r"://[^/\s@]+@", "://", re.sub(r"\bhf_\w{6,}", "(token)", line))
