"""The prompt writers: GPT, templates, or a file; PROMPT_WRITERS has one row for each."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from data_collection.prompts import model_answers
from data_collection.prompts.prompt_file import Prompt, PromptRequest, select_new_prompts
from data_collection.prompts.templates import PROMPT_ATTRIBUTES, write_template_prompts
from data_collection.services import openai_client
from data_collection.services.openai_client import OpenAICall, UnusableAnswer, remove_keys
from data_collection.settings import PromptSettings
from runtime import console
from runtime.terminal.counting import format_count

# Short prompts make better faces; CLIP reads 77 tokens and silently cuts the rest. Counted with
# CLIP's own vocabulary, the short templates take 39 tokens at most, the long ones 69.
MAX_WORDS_BY_STYLE = {"short": 30, "long": 60}
INSTRUCTION_BY_STYLE = {
    "short": 'Begin with "a photo of the face of a" and use at most 20 words.',
    "long": "Use 30 to 60 words.",
}

MAX_PROMPT_CHARACTERS = 1000
"""Longest accepted prompt: three times what CLIP reads."""

PROMPTS_PER_REQUEST = 10
"""Prompts per request; longer lists repeat themselves, and a cut one loses more."""

MAX_FRUITLESS_ANSWERS = 3
"""Answers in a row without a new prompt before `gpt` gives up."""

KNOWN_PROMPTS_PER_REQUEST = 60
"""How many of the latest prompts a request lists as known."""

MINOR_PATTERN = re.compile(
    r"\b(child|kid|boy|girl|baby|infant|toddler|newborn|teen|adolescent|school(boy|girl))"
)
AGE_PATTERN = re.compile(r"\b(?:aged? )?(\d+)[- ](?:years?|months?)[- ]old|\baged? (\d+)")


def _write_gpt_prompts(request: PromptRequest) -> Iterator[list[Prompt]]:
    """Send requests until there are enough prompts.

    The model may send too few or repeat itself, so both are checked.
    """
    n_fruitless, reason = 0, ""
    while request.n_missing > 0 and n_fruitless < MAX_FRUITLESS_ANSWERS:
        n_known = len(request.known)
        try:
            drafts = _request_gpt_prompts(request)
            reason = "only repeats, minors, or prompts that are too long"
        except UnusableAnswer as error:
            drafts, reason = [], str(error)
        yield [prompt for prompt in drafts if _is_acceptable_prompt(prompt, request.settings)]
        n_fruitless = 0 if len(request.known) > n_known else n_fruitless + 1
    if request.n_missing > 0:
        raise console.PlainError(
            f"{request.settings.prompt_model} wrote {len(request.known)} of "
            f"{request.settings.prompt_count} prompts, then {MAX_FRUITLESS_ANSWERS} answers "
            f"brought nothing new ({reason}). The prompts so far are saved; run again, or give "
            "--prompts template for the rest.",
            console.EXIT_REMOTE,
        )


def _request_gpt_prompts(request: PromptRequest) -> list[Prompt]:
    def work(client) -> list[Prompt]:
        answer = client.chat.completions.create(
            model=request.settings.prompt_model,
            messages=_build_messages(request),
            response_format=model_answers.build_response_format(),
        )
        return [
            Prompt(
                number=0,
                text=remove_keys(face["prompt"]),
                attributes={name: remove_keys(face[name])[:60] for name in PROMPT_ATTRIBUTES},
                writer="gpt",
                model=remove_keys(answer.model),
            )
            for face in model_answers.read_faces(answer.choices[0])
        ]

    call = OpenAICall(
        model=request.settings.prompt_model,
        option="--prompt-model",
        alternative="--prompts template",
        timeout_s=openai_client.TEXT_TIMEOUT_S,
    )
    return openai_client.call_openai(work, call)


def _build_messages(request: PromptRequest) -> list[dict[str, str]]:
    task = (
        f"Write {min(PROMPTS_PER_REQUEST, request.n_missing)} prompts for a text-to-image model. "
        "Each describes one photograph of one face: "
        "of an adult of 18 to 90 years, never of a real or famous person. "
        f"{INSTRUCTION_BY_STYLE[request.settings.prompt_style]} Make them as "
        f"different as people are, in {', '.join(PROMPT_ATTRIBUTES)}; give these again beside "
        "each prompt, in one to four words each, "
        'age as a number, and "none" where the prompt names none.'
    )
    known = "\n".join(prompt.text for prompt in request.known[-KNOWN_PROMPTS_PER_REQUEST:])
    named = (
        f"\n\nThese are written already; write others, and what is rare among them:\n{known}"
        if known
        else ""
    )
    return [{"role": "user", "content": task + named}]


def _is_acceptable_prompt(prompt: Prompt, settings: PromptSettings) -> bool:
    """Return whether a prompt is short enough for its style, and describes an adult."""
    ages = [age for groups in AGE_PATTERN.findall(prompt.text) for age in groups if age]
    ages += re.findall(r"\d+", prompt.attributes["age"])
    words = f"{prompt.text} {prompt.attributes['age']} {prompt.attributes['gender']}".lower()
    is_minor = any(int(age) < 18 for age in ages) or MINOR_PATTERN.search(words)
    is_short = (
        len(prompt.text.split()) <= MAX_WORDS_BY_STYLE[settings.prompt_style]
        and len(prompt.text) <= MAX_PROMPT_CHARACTERS
    )
    return is_short and not is_minor


def _read_prompts_from_file(request: PromptRequest) -> Iterator[list[Prompt]]:
    path = Path(request.argument).expanduser()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise console.PlainError(
            f"Cannot read {path}: {reason}; give a text file with one prompt per line."
        ) from None
    drafts = [Prompt(number=0, text=remove_keys(line), writer="file") for line in lines]
    for number, draft in enumerate(drafts, 1):
        if len(draft.text) > MAX_PROMPT_CHARACTERS:
            raise console.PlainError(
                f"Line {number} of {path} has {len(draft.text)} characters; shorten it to "
                f"{MAX_PROMPT_CHARACTERS} at most."
            )
    n_new = len(select_new_prompts(drafts, request.known))
    if n_new < request.n_missing:
        raise console.PlainError(
            f"{path} holds {format_count(n_new, 'new prompt')}, but {request.n_missing} are "
            "missing; add lines, or "
            f"give --prompt-count {len(request.known) + n_new}."
        )
    yield drafts


PROMPT_WRITERS: dict[str, Callable[[PromptRequest], Iterator[list[Prompt]]]] = {
    "gpt": _write_gpt_prompts,
    "template": write_template_prompts,
    "file": _read_prompts_from_file,
}
