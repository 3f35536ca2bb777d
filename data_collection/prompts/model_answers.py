"""Find the prompts in a language model's answer, wherever the server put the JSON.

Local models think aloud first (<think> ... </think>), fence their JSON, leave the outer object out,
or answer in `reasoning_content`, a field of vLLM and llama.cpp; `reasoning` is Ollama's.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from data_collection.prompts.templates import PROMPT_ATTRIBUTES
from data_collection.services.openai_client import ModerationRefusal, UnusableAnswer, remove_keys

if TYPE_CHECKING:
    from openai.types.chat.chat_completion import Choice

ANSWER_FIELDS = ("content", "reasoning_content", "reasoning")
"""Fields of a message in which servers answer, the documented one first."""

FACE_FIELDS = ("prompt", *PROMPT_ATTRIBUTES)
MAX_ANSWER_CHARACTERS = 200_000
MAX_JSON_STARTS = 1000
"""Brackets that are tried as the beginning of JSON; a text of brackets would take minutes."""

MAX_QUOTED_CHARACTERS = 80
END_OF_THOUGHTS = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
JSON_START = re.compile(r"[\[{]")
ADVICE = "turn its thinking off, or name another with --prompt-model"


def build_response_format() -> dict[str, object]:
    """Return the JSON schema that a request asks for."""
    import pydantic

    strict = pydantic.ConfigDict(extra="forbid")
    face = pydantic.create_model(
        "Face", __config__=strict, **{name: (str, ...) for name in FACE_FIELDS}
    )
    faces = pydantic.create_model("Faces", __config__=strict, faces=(list[face], ...))
    schema = {"name": "Faces", "strict": True, "schema": faces.model_json_schema()}
    return {"type": "json_schema", "json_schema": schema}


def read_faces(choice: "Choice") -> list[dict[str, str]]:
    """Return every face of an answer as FACE_FIELDS.

    Raises:
        ModerationRefusal: by moderation.
        UnusableAnswer: the model refused, was cut, or sent no such JSON; the message quotes it.
    """
    message = choice.message
    if message.refusal:
        raise UnusableAnswer(f"refused: {remove_keys(message.refusal)[:100]}")
    texts = [str(getattr(message, name, None) or "") for name in ANSWER_FIELDS]
    for text in texts:
        if faces := find_faces(text):
            return faces
    if choice.finish_reason == "content_filter":
        raise ModerationRefusal("held back by the service's moderation")
    if choice.finish_reason == "length":
        raise UnusableAnswer("the answer was cut at the model's limit")
    raise UnusableAnswer(_describe_answer(next(filter(None, texts), "")))


def find_faces(text: str) -> list[dict[str, str]]:
    """Return the faces in a text's JSON: behind the thoughts, which may hold drafts, or else in
    them."""
    text = text[:MAX_ANSWER_CHARACTERS]
    ends = [match.end() for match in END_OF_THOUGHTS.finditer(text)]
    for part in (text[max(ends, default=0) :], text):
        faces = [face for value in _iterate_json(part) for face in _iterate_faces(value)]
        if faces:
            return faces
    return []


def _iterate_json(text: str) -> Iterator[object]:
    """Yield every JSON object or list of a text that is not part of another."""
    decoder, position = json.JSONDecoder(), 0
    for _ in range(MAX_JSON_STARTS):
        start = JSON_START.search(text, position)
        if not start:
            return
        try:
            value, position = decoder.raw_decode(text, start.start())
            yield value
        except (ValueError, RecursionError):
            position = start.end()


def _iterate_faces(value: object) -> Iterator[dict[str, str]]:
    """Yield the faces of a value: of `faces`, of a bare list, or the value itself."""
    if isinstance(value, Mapping) and isinstance(value.get("faces"), list):
        value = value["faces"]
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping) and all(
            isinstance(item.get(name), str | int | float) for name in FACE_FIELDS
        ):
            yield {name: str(item[name]) for name in FACE_FIELDS}


def _describe_answer(text: str) -> str:
    plain = remove_keys(text[: 20 * MAX_QUOTED_CHARACTERS])
    if not plain:
        return f"its answer was empty; {ADVICE}"
    ending = "..." if len(plain) > MAX_QUOTED_CHARACTERS else ""
    kind = (
        "in JSON without the fields asked for"
        if any(True for _ in _iterate_json(text[:MAX_ANSWER_CHARACTERS]))
        else "in text, not in the JSON asked for"
    )
    return f"it answered {kind}: '{plain[:MAX_QUOTED_CHARACTERS]}{ending}'; {ADVICE}"
