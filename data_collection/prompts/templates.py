"""Prompts without a language model: every combination of what a face may be, filled into a sentence."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from data_collection.prompts.prompt_file import Prompt, PromptRequest
from runtime import console

PROMPT_ATTRIBUTES = {
    "age": ("19", "24", "29", "35", "42", "49", "56", "63", "74"),
    "gender": ("woman", "man"),
    "ethnicity": (
        "African",
        "East Asian",
        "European",
        "Latin American",
        "Middle Eastern",
        "South Asian",
        "Southeast Asian",
    ),
    "hair": (
        "short hair",
        "long hair",
        "curly hair",
        "wavy hair",
        "braided hair",
        "tousled hair",
        "shoulder-length hair",
    )
    + ("hair tied back", "a fringe", "a side parting", "a shaved head"),
    "expression": (
        "a neutral expression",
        "a slight smile",
        "a broad smile",
        "a serious look",
        "a surprised look",
    ),
    "accessory": ("none", "glasses", "earrings", "a scarf", "a hat", "a necklace"),
    "lighting": (
        "soft daylight",
        "window light",
        "evening sun",
        "studio light",
        "overcast light",
        "warm lamplight",
    ),
    "background": (
        "a plain wall",
        "a street",
        "a park",
        "an office",
        "a kitchen",
        "the sea",
        "a library",
        "a garden",
    ),
}

ROTATED_ATTRIBUTES = ("age", "gender", "ethnicity", "hair", "expression")
"""Their numbers of values (9, 2, 7, 11, 5) have no common factor: taken in turn, all 6,930 combinations are different."""

TEMPLATE_BY_STYLE = {
    "short": "a photo of the face of a {age}-year-old {ethnicity} {gender}, {hair}, {expression}{worn}, {lighting}, "
    "{background}",
    "long": "A close-up portrait photograph of the face of a {age}-year-old {ethnicity} {gender} with {hair} and "
    "{expression}{worn}, looking into the camera, {lighting}, {background} out of focus behind, natural skin with pores and "
    "small flaws, sharp eyes, 85 mm lens",
}


def write_template_prompts(wanted: PromptRequest) -> Iterator[list[Prompt]]:
    """Combines ATTRIBUTES; of any first N, every value of an attribute is in as many as every other, give or take one."""
    most = math.prod(len(PROMPT_ATTRIBUTES[name]) for name in ROTATED_ATTRIBUTES)
    numbers = iter(range(most))
    while some := list(itertools.islice(numbers, max(wanted.missing, 0))):
        yield [_fill_template(number, wanted) for number in some]
    if wanted.missing > 0:
        raise console.PlainError(
            f"--prompts template has {most:,} different prompts, --prompt-count asks for {wanted.settings.prompt_count:,}."
        )


def _fill_template(number: int, wanted: PromptRequest) -> Prompt:
    chosen = {
        name: _choose_attribute_value(name, values, number, wanted.seed)
        for name, values in PROMPT_ATTRIBUTES.items()
    }
    worn = "" if chosen["accessory"] == "none" else f", wearing {chosen['accessory']}"
    return Prompt(
        0,
        TEMPLATE_BY_STYLE[wanted.settings.prompt_style].format(**chosen, worn=worn),
        chosen,
        "template",
    )


def _choose_attribute_value(name: str, values: Sequence[str], number: int, seed: int) -> str:
    """In every stretch of len(values) numbers each value comes once, in an order that is drawn once, or for each stretch."""
    stretch = 0 if name in ROTATED_ATTRIBUTES else number // len(values)
    return random.Random(f"{seed} {name} {stretch}").sample(values, len(values))[
        number % len(values)
    ]
