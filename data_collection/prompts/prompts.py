"""Write the missing prompts of a data set, for the generators that take prompts."""

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
from runtime.commands.suggestions import find_close_names


def ensure_prompts(folder: Path, settings: PromptSettings, seed: int) -> list[Prompt]:
    """Return the first `prompt_count` prompts of a data set; write those that are missing.

    They are saved after every answer.

    Raises:
        PlainError: no such writer, or it cannot write enough prompts; those written are saved.
    """
    kind, argument = _parse_writer(settings)
    known = read_prompts(folder)
    if known and kind not in {prompt.writer for prompt in known}:
        console.print_warning(
            f"{prompts_path(folder)} already holds {len(known)} prompts by {known[0].writer}; "
            f"--prompts {settings.prompts} only adds missing ones. For other prompts, collect "
            "under another --dataset name."
        )
    request = PromptRequest(settings, argument, seed, known)
    if request.n_missing > 0:
        new = _save_new_prompts(PROMPT_WRITERS[kind](request), request, folder)
        list(console.track_progress(new, f"prompts by {kind}", request.n_missing))
    return known[: settings.prompt_count]


def _save_new_prompts(
    lists: Iterable[list[Prompt]], request: PromptRequest, folder: Path
) -> Iterator[Prompt]:
    for drafts in lists:
        start = len(request.known)
        new = select_new_prompts(drafts, request.known)[: request.n_missing]
        request.known.extend(
            replace(prompt, number=number) for number, prompt in enumerate(new, start)
        )
        if new:
            lines = (json.dumps(asdict(prompt)) + "\n" for prompt in request.known)
            atomic_files.write_atomically(prompts_path(folder), "".join(lines).encode())
        yield from new


def _parse_writer(settings: PromptSettings) -> tuple[str, str]:
    kind, _, argument = settings.prompts.partition(":")
    if kind not in PROMPT_WRITERS or bool(argument) != (kind == "file"):
        suggestions = [f"file:{settings.prompts}"] if Path(settings.prompts).is_file() else []
        suggestions += find_close_names(kind, PROMPT_WRITERS)
        hint = ""
        if suggestions:
            suggestion = "file:PATH" if suggestions[0] == "file" else suggestions[0]
            hint = f" Did you mean {suggestion}?"
        raise console.PlainError(
            f"Unknown writer {settings.prompts!r} for --prompts.{hint} Available: gpt, template, "
            "file:PATH."
        )
    return kind, argument


def list_prompt_requirements(settings: PromptSettings, folder: Path) -> list[Requirement]:
    """List the requirements for writing the missing prompts; none if no prompt is missing.

    Raises:
        PlainError: no such writer, or the saved prompts are damaged.
    """
    kind, argument = _parse_writer(settings)
    request = PromptRequest(settings, argument, 0, read_prompts(folder))
    if request.n_missing <= 0 or kind == "template":
        return []
    if kind == "gpt":
        return [openai_client.check_api_key("--prompts template")]
    try:
        next(PROMPT_WRITERS[kind](request))
    except console.PlainError as error:
        return [
            Requirement(
                name=argument,
                met=False,
                status=str(error),
                alternative="--prompts template",
            )
        ]
    return [Requirement(name=argument, met=True, status="available")]
