"""Face descriptions in words, for the generators that ask for them: what is missing in a data set's list is written."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from data_collection.prompts.prompt_file import (
    Prompt,
    PromptRequest,
    prompts_path,
    read_prompts,
    select_new_prompts,
)
from data_collection.prompts.writers import PROMPT_WRITERS
from data_collection.requirement import Requirement
from data_collection.services import openai_client
from data_collection.settings import PromptSettings
from runtime import atomic_files, console
from runtime.suggestions import find_close_names


def ensure_prompts(folder: Path, settings: PromptSettings, seed: int) -> list[Prompt]:
    """The first `prompt_count` prompts of a data set; what is missing is written, and saved after every answer.

    Raises:
        PlainError: no such writer, or it cannot write as many as asked for; what was written is kept.
    """
    kind, argument = _parse_writer(settings)
    known = read_prompts(folder)
    if known and kind not in {prompt.writer for prompt in known}:
        console.print_warning(
            f"{prompts_path(folder)} holds {len(known)} prompts by {known[0].writer} already; --prompts {settings.prompts} "
            "only adds what is missing. For others, collect under another --dataset name."
        )
    wanted = PromptRequest(settings, argument, seed, known)
    if wanted.missing > 0:
        new = _save_new_prompts(PROMPT_WRITERS[kind](wanted), wanted, folder)
        list(console.track_progress(new, f"prompts by {kind}", wanted.missing))
    return known[: settings.prompt_count]


def _save_new_prompts(
    lists: Iterable[list[Prompt]], wanted: PromptRequest, folder: Path
) -> Iterator[Prompt]:
    for drafts in lists:
        start = len(wanted.known)
        new = select_new_prompts(drafts, wanted.known)[: wanted.missing]
        wanted.known.extend(
            replace(prompt, number=start + place) for place, prompt in enumerate(new)
        )
        if new:
            lines = (json.dumps(asdict(prompt)) + "\n" for prompt in wanted.known)
            atomic_files.write_atomically(prompts_path(folder), "".join(lines).encode())
        yield from new


def _parse_writer(settings: PromptSettings) -> tuple[str, str]:
    kind, _, argument = settings.prompts.partition(":")
    if kind not in PROMPT_WRITERS or bool(argument) != (kind == "file"):
        close = [f"file:{settings.prompts}"] if Path(settings.prompts).is_file() else []
        close += find_close_names(kind, PROMPT_WRITERS)
        hint = (
            f" (did you mean {'file:PATH' if close[0] == 'file' else close[0]}?)" if close else ""
        )
        raise console.PlainError(
            f"--prompts {settings.prompts} is no writer{hint}; write gpt, template, or file:PATH."
        )
    return kind, argument


def list_prompt_requirements(settings: PromptSettings, folder: Path) -> list[Requirement]:
    """List the requirements for writing the missing prompts; none if no prompt is missing.

    Raises:
        PlainError: no such writer, or the prompts that are there are damaged.
    """
    kind, argument = _parse_writer(settings)
    wanted = PromptRequest(settings, argument, 0, read_prompts(folder))
    if wanted.missing <= 0 or kind == "template":
        return []
    if kind == "gpt":
        return [openai_client.check_api_key("--prompts template")]
    try:
        next(PROMPT_WRITERS[kind](wanted))
    except console.PlainError as error:
        return [Requirement(argument, False, str(error), "--prompts template")]
    return [Requirement(argument, True, "there")]
