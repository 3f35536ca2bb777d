"""Prompts without a language model: every combination of what a face may be, filled into a sentence."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from data_collection import console
from data_collection.prompt_list import Prompt, Wanted

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


def template(wanted: Wanted) -> Iterator[list[Prompt]]:
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
