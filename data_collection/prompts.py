"""Face descriptions in words, for the generators that ask for them: what is missing in a data set's list is written."""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from data_collection import console, manifest, openai_service
from data_collection.found_faces import Need
from data_collection.prompt_list import Prompt, Wanted, fresh, prompts_path, read
from data_collection.prompt_writers import PROMPT_WRITERS
from data_collection.settings import PromptSettings


def write(folder: Path, settings: PromptSettings, seed: int) -> list[Prompt]:
    """The first `prompt_count` prompts of a data set; what is missing is written, and saved after every answer.

    Raises:
        PlainError: no such writer, or it cannot write as many as asked for; what was written is kept.
    """
    kind, argument = _writer(settings)
    known = read(folder)
    if known and kind not in {prompt.writer for prompt in known}:
        console.warn(
            f"{prompts_path(folder)} holds {len(known)} prompts by {known[0].writer} already; --prompts {settings.prompts} "
            "only adds what is missing. For others, collect under another --dataset name."
        )
    wanted = Wanted(settings, argument, seed, known)
    if wanted.missing > 0:
        new = _saved(PROMPT_WRITERS[kind](wanted), wanted, folder)
        list(console.progress(new, f"prompts by {kind}", wanted.missing))
    return known[: settings.prompt_count]


def _saved(lists: Iterable[list[Prompt]], wanted: Wanted, folder: Path) -> Iterator[Prompt]:
    for drafts in lists:
        start = len(wanted.known)
        new = fresh(drafts, wanted.known)[: wanted.missing]
        wanted.known.extend(replace(prompt, number=start + place) for place, prompt in enumerate(new))
        if new:
            lines = (json.dumps(asdict(prompt)) + "\n" for prompt in wanted.known)
            manifest.write_whole(prompts_path(folder), "".join(lines).encode())
        yield from new


def _writer(settings: PromptSettings) -> tuple[str, str]:
    kind, _, argument = settings.prompts.partition(":")
    if kind not in PROMPT_WRITERS or bool(argument) != (kind == "file"):
        close = [f"file:{settings.prompts}"] if Path(settings.prompts).is_file() else []
        close += difflib.get_close_matches(kind, PROMPT_WRITERS, n=1)
        hint = f" (did you mean {'file:PATH' if close[0] == 'file' else close[0]}?)" if close else ""
        raise console.PlainError(f"--prompts {settings.prompts} is no writer{hint}; write gpt, template, or file:PATH.")
    return kind, argument


def needs(settings: PromptSettings, folder: Path) -> list[Need]:
    """What must be there before the missing prompts can be written; nothing if none is missing.

    Raises:
        PlainError: no such writer, or the prompts that are there are damaged.
    """
    kind, argument = _writer(settings)
    wanted = Wanted(settings, argument, 0, read(folder))
    if wanted.missing <= 0 or kind == "template":
        return []
    if kind == "gpt":
        return [openai_service.need("--prompts template")]
    try:
        next(PROMPT_WRITERS[kind](wanted))
    except console.PlainError as error:
        return [Need(argument, False, str(error), "--prompts template")]
    return [Need(argument, True, "there")]
