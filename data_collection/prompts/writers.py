"""Who writes prompts; PROMPT_WRITERS has one row per kind of writer."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from data_collection.prompts.prompt_file import Prompt, PromptRequest, select_new_prompts
from data_collection.prompts.templates import PROMPT_ATTRIBUTES, write_template_prompts
from data_collection.services import openai_client
from data_collection.services.openai_client import OpenAICall, UnusableAnswer, remove_keys
from data_collection.settings import PromptSettings
from runtime import console

# Short prompts make better faces; CLIP reads 77 tokens and cuts the rest without a word. Counted with CLIP's own vocabulary,
# the short templates take 39 tokens at most, the long ones 69.
MAX_WORDS_BY_STYLE = {"short": 30, "long": 60}
INSTRUCTION_BY_STYLE = {
    "short": 'Begin with "a photo of the face of a" and use at most 20 words.',
    "long": "Use 30 to 60 words.",
}

MAX_PROMPT_CHARACTERS = 1000
"""Maximal length of a prompt: three times what CLIP reads."""

PROMPTS_PER_REQUEST = 10
"""Prompts asked for in one request; longer lists repeat themselves and lose more when one is cut."""

MAX_FRUITLESS_ANSWERS = 3
"""Answers in a row that may bring nothing new before `gpt` gives up."""

KNOWN_PROMPTS_PER_REQUEST = 60
"""Number of the latest prompts that a request names."""

MINOR_PATTERN = re.compile(
    r"\b(child|kid|boy|girl|baby|infant|toddler|newborn|teen|adolescent|school(boy|girl))"
)
AGE_PATTERN = re.compile(r"\b(?:aged? )?(\d+)[- ](?:years?|months?)[- ]old|\baged? (\d+)")


def _write_gpt_prompts(wanted: PromptRequest) -> Iterator[list[Prompt]]:
    """Asks until there are enough; how many come, and that they differ, is up to the model, so both are looked at."""
    idle, why = 0, ""
    while wanted.missing > 0 and idle < MAX_FRUITLESS_ANSWERS:
        before = len(wanted.known)
        try:
            drafts, why = (
                _request_gpt_prompts(wanted),
                "only repeats, minors, or more words than wanted",
            )
        except UnusableAnswer as error:
            drafts, why = [], str(error)
        yield [prompt for prompt in drafts if _is_acceptable_prompt(prompt, wanted.settings)]
        idle = 0 if len(wanted.known) > before else idle + 1
    if wanted.missing > 0:
        raise console.PlainError(
            f"{wanted.settings.prompt_model} wrote {len(wanted.known)} of {wanted.settings.prompt_count} prompts, then "
            f"{MAX_FRUITLESS_ANSWERS} answers brought nothing new ({why}). What was written is "
            "kept; run again, or give --prompts "
            "template for the rest.",
            console.EXIT_REMOTE,
        )


def _request_gpt_prompts(wanted: PromptRequest) -> list[Prompt]:
    import pydantic

    face = pydantic.create_model(
        "Face", prompt=(str, ...), **{name: (str, ...) for name in PROMPT_ATTRIBUTES}
    )
    faces = pydantic.create_model("Faces", faces=(list[face], ...))

    def work(client) -> list[Prompt]:
        answer = client.chat.completions.parse(
            model=wanted.settings.prompt_model,
            messages=_build_messages(wanted),
            response_format=faces,
        )
        message = answer.choices[0].message
        if message.refusal:
            raise UnusableAnswer(f"refused: {remove_keys(message.refusal)[:100]}")
        return [
            Prompt(
                0,
                remove_keys(one.prompt),
                {name: remove_keys(getattr(one, name))[:60] for name in PROMPT_ATTRIBUTES},
                "gpt",
                remove_keys(answer.model),
            )
            for one in message.parsed.faces
        ]

    model = wanted.settings.prompt_model
    return openai_client.call_openai(
        work,
        OpenAICall(model, "--prompt-model", "--prompts template", openai_client.TEXT_TIMEOUT_S),
    )


def _build_messages(wanted: PromptRequest) -> list[dict[str, str]]:
    task = (
        f"Write {min(PROMPTS_PER_REQUEST, wanted.missing)} prompts for a text-to-image model. "
        "Each describes one photograph of one face: "
        "of an adult of 18 to 90 years, never of a real or famous person. "
        f"{INSTRUCTION_BY_STYLE[wanted.settings.prompt_style]} Make them as "
        f"different as people are, in {', '.join(PROMPT_ATTRIBUTES)}; give these again beside "
        "each prompt, in one to four words each, "
        'age as a number, and "none" where the prompt names none.'
    )
    there = "\n".join(prompt.text for prompt in wanted.known[-KNOWN_PROMPTS_PER_REQUEST:])
    named = (
        f"\n\nThese are written already; write others, and what is rare among them:\n{there}"
        if there
        else ""
    )
    return [{"role": "user", "content": task + named}]


def _is_acceptable_prompt(prompt: Prompt, settings: PromptSettings) -> bool:
    """Not longer than asked for, and of an adult."""
    ages = [age for found in AGE_PATTERN.findall(prompt.text) for age in found if age]
    ages += re.findall(r"\d+", prompt.attributes["age"])
    words = f"{prompt.text} {prompt.attributes['age']} {prompt.attributes['gender']}".lower()
    young = any(int(age) < 18 for age in ages) or MINOR_PATTERN.search(words)
    short = (
        len(prompt.text.split()) <= MAX_WORDS_BY_STYLE[settings.prompt_style]
        and len(prompt.text) <= MAX_PROMPT_CHARACTERS
    )
    return short and not young


def _read_prompts_from_file(wanted: PromptRequest) -> Iterator[list[Prompt]]:
    path = Path(wanted.argument).expanduser()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise console.PlainError(
            f"Cannot read {path}: {why}; give a text file with one prompt a line."
        ) from None
    drafts = [Prompt(0, remove_keys(line), {}, "file") for line in lines]
    for number, draft in enumerate(drafts, 1):
        if len(draft.text) > MAX_PROMPT_CHARACTERS:
            raise console.PlainError(
                f"Line {number} of {path} has {len(draft.text)} characters; shorten it to {MAX_PROMPT_CHARACTERS} at most."
            )
    different = len(select_new_prompts(drafts, wanted.known))
    if different < wanted.missing:
        raise console.PlainError(
            f"{path} holds {different} prompts that are not there yet, and {wanted.missing} are missing; add lines, or give "
            f"--prompt-count {len(wanted.known) + different}."
        )
    yield drafts


PROMPT_WRITERS: dict[str, Callable[[PromptRequest], Iterator[list[Prompt]]]] = {
    "gpt": _write_gpt_prompts,
    "template": write_template_prompts,
    "file": _read_prompts_from_file,
}
