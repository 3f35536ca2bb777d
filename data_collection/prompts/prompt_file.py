"""The prompts of a data set, kept in DATA/DATASET/prompts.jsonl: those that are there, and how many are still wanted."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from data_collection.dataset import manifest
from data_collection.settings import PromptSettings
from runtime import checked_json


@dataclass(frozen=True)
class Prompt:
    """One description of a face.

    Attributes:
        number: its place in prompts.jsonl, from 0.
        text: the prompt.
        attributes: what it asks for, by the names of prompt_templates.ATTRIBUTES; empty if a person wrote it.
        writer: "gpt", "template" or "file".
        model: the model that wrote it, as the API calls it; empty for the others.
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
        settings: how many, in which style, by which model.
        argument: what stood after the writer's name.
        seed: of what is drawn.
        known: what there is; it grows by what was new in each list that the writer yields.
    """

    settings: PromptSettings
    argument: str
    seed: int
    known: list[Prompt]

    @property
    def missing(self) -> int:
        return self.settings.prompt_count - len(self.known)


def prompts_path(folder: Path) -> Path:
    return folder / "prompts.jsonl"


def read_prompts(folder: Path) -> list[Prompt]:
    """Every prompt of a data set; none if there is no file; an unfinished last line is passed over.

    Raises:
        PlainError: a line in the middle is damaged.
    """
    path = prompts_path(folder)
    complete, _, _torn = path.read_bytes().rpartition(b"\n") if path.is_file() else (b"", b"", b"")
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
    """Those that are not there yet, case, spaces and punctuation aside."""
    seen = {"", *(_normalise_text(prompt) for prompt in known)}
    return [
        prompt
        for prompt in drafts
        if _normalise_text(prompt) not in seen and not seen.add(_normalise_text(prompt))
    ]


def _normalise_text(prompt: Prompt) -> str:
    return re.sub(r"[\W_]+", "", prompt.text.casefold())
