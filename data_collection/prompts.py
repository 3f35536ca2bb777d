"""Face descriptions in words, kept in DATA/DATASET/prompts.jsonl; PROMPT_WRITERS has one row per kind of writer."""

import difflib
import itertools
import json
import math
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from data_collection import console, manifest, openai_service
from data_collection.found_faces import Need
from data_collection.openai_service import Asking, Unusable, clean
from data_collection.settings import PromptSettings

ATTRIBUTES = {
    "age": ("19", "24", "29", "35", "42", "49", "56", "63", "74"),
    "gender": ("woman", "man"),
    "ethnicity": ("African", "East Asian", "European", "Latin American", "Middle Eastern", "South Asian", "Southeast Asian"),
    "hair": ("short hair", "long hair", "curly hair", "wavy hair", "braided hair", "tousled hair", "shoulder-length hair")
    + ("hair tied back", "a fringe", "a side parting", "a shaved head"),
    "expression": ("a neutral expression", "a slight smile", "a broad smile", "a serious look", "a surprised look"),
    "accessory": ("none", "glasses", "earrings", "a scarf", "a hat", "a necklace"),
    "lighting": ("soft daylight", "window light", "evening sun", "studio light", "overcast light", "warm lamplight"),
    "background": ("a plain wall", "a street", "a park", "an office", "a kitchen", "the sea", "a library", "a garden"),
}

IN_TURN = ("age", "gender", "ethnicity", "hair", "expression")
"""Their numbers of values (9, 2, 7, 11, 5) have no common factor: taken in turn, all 6,930 combinations are different."""

TEMPLATES = {
    "short": "a photo of the face of a {age}-year-old {ethnicity} {gender}, {hair}, {expression}{worn}, {lighting}, "
    "{background}",
    "long": "A close-up portrait photograph of the face of a {age}-year-old {ethnicity} {gender} with {hair} and "
    "{expression}{worn}, looking into the camera, {lighting}, {background} out of focus behind, natural skin with pores and "
    "small flaws, sharp eyes, 85 mm lens",
}

# Short prompts make better faces; CLIP reads 77 tokens and cuts the rest without a word. Counted with CLIP's own vocabulary,
# the short templates take 39 tokens at most, the long ones 69.
MOST_WORDS = {"short": 30, "long": 60}
STYLES = {"short": 'Begin with "a photo of the face of a" and use at most 20 words.', "long": "Use 30 to 60 words."}

A_REQUEST = 10
"""Prompts asked for in one request; longer lists repeat themselves and lose more when one is cut."""

ROUNDS = 3
"""Answers in a row that may bring nothing new before `gpt` gives up."""

NAMED = 60
"""Of the prompts that there are, so many of the latest are named in a request."""

MINOR = re.compile(r"\b(child|kid|boy|girl|baby|infant|toddler|newborn|teen|adolescent|school(boy|girl))")
AGE = re.compile(r"\b(?:aged? )?(\d+)[- ](?:years?|months?)[- ]old|\baged? (\d+)")


@dataclass(frozen=True)
class Prompt:
    """One description of a face.

    Attributes:
        number: its place in prompts.jsonl, from 0.
        text: the prompt.
        attributes: what it asks for, by the names of ATTRIBUTES; empty if a person wrote it.
        writer: "gpt", "template" or "file".
        model: the model that wrote it, as the API calls it; empty for the others.
    """

    number: int
    text: str
    attributes: dict[str, str] = field(default_factory=dict)
    writer: str = ""
    model: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a writer is asked for.

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


def read(folder: Path) -> list[Prompt]:
    """Every prompt of a data set; none if there is no file; an unfinished last line is passed over.

    Raises:
        PlainError: a line in the middle is damaged.
    """
    path = prompts_path(folder)
    complete, _, _torn = path.read_bytes().rpartition(b"\n") if path.is_file() else (b"", b"", b"")
    return [_parse(line, number, path) for number, line in enumerate(complete.split(b"\n")) if line]


def _parse(line: bytes, number: int, path: Path) -> Prompt:
    try:
        prompt = Prompt(**json.loads(line))
        if prompt.number != number or not isinstance(prompt.text, str) or not isinstance(prompt.attributes, dict):
            raise ValueError
        return prompt
    except (ValueError, TypeError):
        raise console.PlainError(
            f"Line {number + 1} of {path} is damaged. Restore the file from a copy, or collect under another --dataset name.",
            console.DISK,
        ) from None


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
        fresh = _fresh(drafts, wanted.known)[: wanted.missing]
        wanted.known.extend(replace(prompt, number=start + place) for place, prompt in enumerate(fresh))
        if fresh:
            lines = (json.dumps(asdict(prompt)) + "\n" for prompt in wanted.known)
            manifest.write_whole(prompts_path(folder), "".join(lines).encode())
        yield from fresh


def _fresh(drafts: Iterable[Prompt], known: Iterable[Prompt]) -> list[Prompt]:
    """Those that are not there yet, case, spaces and punctuation aside."""
    seen = {"", *(_same(prompt) for prompt in known)}
    return [prompt for prompt in drafts if _same(prompt) not in seen and not seen.add(_same(prompt))]


def _same(prompt: Prompt) -> str:
    return re.sub(r"[\W_]+", "", prompt.text.casefold())


def _writer(settings: PromptSettings) -> tuple[str, str]:
    kind, _, argument = settings.prompts.partition(":")
    if kind not in PROMPT_WRITERS or bool(argument) != (kind == "file"):
        close = [f"file:{settings.prompts}"] if Path(settings.prompts).is_file() else []
        close += difflib.get_close_matches(kind, PROMPT_WRITERS, n=1)
        hint = f" (did you mean {'file:PATH' if close[0] == 'file' else close[0]}?)" if close else ""
        raise console.PlainError(f"--prompts {settings.prompts} is no writer{hint}; write gpt, template, or file:PATH.")
    return kind, argument


def needs(settings: PromptSettings, folder: Path) -> list[Need]:
    """What must be there before the missing prompts can be written; nothing if none is missing."""
    try:
        kind, argument = _writer(settings)
        if len(read(folder)) >= settings.prompt_count:
            return []
    except console.PlainError as error:
        return [Need("prompts", False, str(error), "--prompts template")]
    if kind == "gpt":
        return [openai_service.need("--prompts template")]
    there = not argument or Path(argument).expanduser().is_file()
    return [Need(argument, there, "there" if there else "no such file", "--prompts template")] if argument else []


def _gpt(wanted: Wanted) -> Iterator[list[Prompt]]:
    """Asks until there are enough; how many come, and that they differ, is up to the model, so both are looked at."""
    idle, why = 0, ""
    while wanted.missing > 0 and idle < ROUNDS:
        before = len(wanted.known)
        try:
            drafts, why = _ask_gpt(wanted), "only repeats, minors, or more words than wanted"
        except Unusable as error:
            drafts, why = [], str(error)
        yield [prompt for prompt in drafts if _fits(prompt, wanted.settings)]
        idle = 0 if len(wanted.known) > before else idle + 1
    if wanted.missing > 0:
        raise console.PlainError(
            f"{wanted.settings.prompt_model} wrote {len(wanted.known)} of {wanted.settings.prompt_count} prompts, then "
            f"{ROUNDS} answers brought nothing new ({why}). They are kept; run again, or give --prompts template for the rest.",
            console.REMOTE,
        )


def _ask_gpt(wanted: Wanted) -> list[Prompt]:
    import pydantic

    face = pydantic.create_model("Face", prompt=(str, ...), **{name: (str, ...) for name in ATTRIBUTES})
    faces = pydantic.create_model("Faces", faces=(list[face], ...))

    def work(client) -> list[Prompt]:
        answer = client.chat.completions.parse(
            model=wanted.settings.prompt_model, messages=_messages(wanted), response_format=faces
        )
        message = answer.choices[0].message
        if message.refusal:
            raise Unusable(f"refused: {clean(message.refusal)[:100]}")
        return [
            Prompt(
                0, clean(one.prompt), {name: clean(getattr(one, name))[:60] for name in ATTRIBUTES}, "gpt", clean(answer.model)
            )
            for one in message.parsed.faces
        ]

    model = wanted.settings.prompt_model
    return openai_service.ask(work, Asking(model, "--prompt-model", "--prompts template", openai_service.TIMEOUT))


def _messages(wanted: Wanted) -> list[dict[str, str]]:
    task = (
        f"Write {min(A_REQUEST, wanted.missing)} prompts for a text-to-image model. Each describes one photograph of one face: "
        f"of an adult of 18 to 90 years, never of a real or famous person. {STYLES[wanted.settings.prompt_style]} Make them as "
        f"different as people are, in {', '.join(ATTRIBUTES)}; give these again beside each prompt, in one to four words each, "
        'age as a number, and "none" where the prompt names none.'
    )
    there = "\n".join(prompt.text for prompt in wanted.known[-NAMED:])
    named = f"\n\nThese are written already; write others, and what is rare among them:\n{there}" if there else ""
    return [{"role": "user", "content": task + named}]


def _fits(prompt: Prompt, settings: PromptSettings) -> bool:
    """Not longer than asked for, and of an adult."""
    ages = [age for found in AGE.findall(prompt.text) for age in found if age]
    ages += re.findall(r"\d+", prompt.attributes["age"])
    words = f"{prompt.text} {prompt.attributes['age']} {prompt.attributes['gender']}".lower()
    young = any(int(age) < 18 for age in ages) or MINOR.search(words)
    return not young and len(prompt.text.split()) <= MOST_WORDS[settings.prompt_style]


def _template(wanted: Wanted) -> Iterator[list[Prompt]]:
    """Combines ATTRIBUTES; of any first N, every value of an attribute is in as many as every other, give or take one."""
    most = math.prod(len(ATTRIBUTES[name]) for name in IN_TURN)
    numbers = iter(range(most))
    while some := list(itertools.islice(numbers, max(wanted.missing, 0))):
        yield [_filled(number, wanted) for number in some]
    if wanted.missing > 0:
        raise console.PlainError(
            f"--prompts template has {most:,} different prompts, --prompt-count asks for {wanted.settings.prompt_count:,}."
        )


def _filled(number: int, wanted: Wanted) -> Prompt:
    chosen = {name: _value(name, values, number, wanted.seed) for name, values in ATTRIBUTES.items()}
    worn = "" if chosen["accessory"] == "none" else f", wearing {chosen['accessory']}"
    return Prompt(0, TEMPLATES[wanted.settings.prompt_style].format(**chosen, worn=worn), chosen, "template")


def _value(name: str, values: Sequence[str], number: int, seed: int) -> str:
    """In every stretch of len(values) numbers each value comes once, in an order that is drawn once, or for each stretch."""
    stretch = 0 if name in IN_TURN else number // len(values)
    return random.Random(f"{seed} {name} {stretch}").sample(values, len(values))[number % len(values)]


def _file(wanted: Wanted) -> Iterator[list[Prompt]]:
    path = Path(wanted.argument).expanduser()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise console.PlainError(f"Cannot read {path}: {why}; give a text file with one prompt a line.") from None
    drafts = [Prompt(0, clean(line), {}, "file") for line in lines]
    different = len(_fresh(drafts, wanted.known))
    if different < wanted.missing:
        raise console.PlainError(
            f"{path} holds {different} prompts that are not there yet, and {wanted.missing} are missing; add lines, or give "
            f"--prompt-count {len(wanted.known) + different}."
        )
    yield drafts


PROMPT_WRITERS: dict[str, Callable[[Wanted], Iterator[list[Prompt]]]] = {"gpt": _gpt, "template": _template, "file": _file}
