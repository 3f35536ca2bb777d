"""Read the prompts of a data set, DATA/DATASET/prompts.jsonl, and find which ones are missing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from data_collection.dataset import manifest
from data_collection.settings import PromptSettings
from runtime import checked_json


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One description of a face.

    Attributes:
        number: its index in prompts.jsonl, from 0.
        text: the prompt.
        attributes: what the text describes, by the names of templates.PROMPT_ATTRIBUTES; empty if
            a person wrote it.
        writer: "gpt", "template" or "file".
        model: the API's name of the model that wrote it; empty for other writers.
    """

    number: int
    text: str
    attributes: dict[str, str] = field(default_factory=dict)
    writer: str = ""
    model: str = ""


@dataclass(frozen=True)
class PromptRequest:
    """Request to a prompt writer.

    Attributes:
        settings: number, style and model.
        argument: the text after the writer's name.
        seed: of random choices.
        known: the prompts so far; grows by the new prompts of each list that the writer yields.
    """

    settings: PromptSettings
    argument: str
    seed: int
    known: list[Prompt]

    @property
    def n_missing(self) -> int:
        return self.settings.prompt_count - len(self.known)


def prompts_path(folder: Path) -> Path:
    return folder / "prompts.jsonl"


def read_prompts(folder: Path) -> list[Prompt]:
    """Return all prompts of a data set; none without the file; ignore an unfinished last line.

    Raises:
        PlainError: a line in the middle is damaged.
    """
    path = prompts_path(folder)
    complete, _, _unfinished = (
        path.read_bytes().rpartition(b"\n") if path.is_file() else (b"", b"", b"")
    )
    return [
        _parse_prompt_line(line, number, path)
        for number, line in enumerate(complete.split(b"\n"))
        if line
    ]


def _parse_prompt_line(line: bytes, number: int, path: Path) -> Prompt:
    try:
        prompt = checked_json.parse_json_as(line, Prompt)
        if prompt.number != number:
            raise ValueError
        return prompt
    except ValueError:
        raise manifest.build_damaged_line_error(number + 1, path) from None


def select_new_prompts(drafts: Iterable[Prompt], known: Iterable[Prompt]) -> list[Prompt]:
    """Return the drafts that are new, ignoring case, spaces and punctuation."""
    texts = {"", *(_normalise_text(prompt) for prompt in known)}
    new = []
    for prompt in drafts:
        if _normalise_text(prompt) not in texts:
            texts.add(_normalise_text(prompt))
            new.append(prompt)
    return new


def _normalise_text(prompt: Prompt) -> str:
    return re.sub(r"[\W_]+", "", prompt.text.casefold())
