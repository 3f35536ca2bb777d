"""Write prompts without a language model: combinations of attributes, filled into a sentence."""

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
"""Their numbers of values (9, 2, 7, 11, 5) have no common factor, so taking the values in turn
gives 6,930 different combinations."""

TEMPLATE_BY_STYLE = {
    "short": "a photo of the face of a {age}-year-old {ethnicity} {gender}, {hair}, "
    "{expression}{worn}, {lighting}, {background}",
    "long": "A close-up portrait photograph of the face of a {age}-year-old {ethnicity} {gender} "
    "with {hair} and {expression}{worn}, looking into the camera, {lighting}, {background} out of "
    "focus behind, natural skin with pores and small flaws, sharp eyes, 85 mm lens",
}


def write_template_prompts(request: PromptRequest) -> Iterator[list[Prompt]]:
    """Combine PROMPT_ATTRIBUTES.

    In the first N prompts, for any N, the values of an attribute are equally frequent, to within
    one.
    """
    max_prompts = math.prod(len(PROMPT_ATTRIBUTES[name]) for name in ROTATED_ATTRIBUTES)
    numbers = iter(range(max_prompts))
    while batch := list(itertools.islice(numbers, max(request.n_missing, 0))):
        yield [_fill_template(number, request) for number in batch]
    if request.n_missing > 0:
        raise console.PlainError(
            f"--prompts template has {max_prompts:,} different prompts, but --prompt-count is "
            f"{request.settings.prompt_count:,}; give at most {max_prompts:,}."
        )


def _fill_template(number: int, request: PromptRequest) -> Prompt:
    attributes = {
        name: _choose_attribute_value(name, values, number, request.seed)
        for name, values in PROMPT_ATTRIBUTES.items()
    }
    accessory = attributes["accessory"]
    worn = "" if accessory == "none" else f", wearing {accessory}"
    template = TEMPLATE_BY_STYLE[request.settings.prompt_style]
    return Prompt(
        number=0,
        text=template.format(**attributes, worn=worn),
        attributes=attributes,
        writer="template",
    )


def _choose_attribute_value(name: str, values: Sequence[str], number: int, seed: int) -> str:
    """Return the value of prompt `number`; every len(values) numbers use each value once.

    The order is random: for ROTATED_ATTRIBUTES it is always the same, else each stretch has its
    own.
    """
    stretch = 0 if name in ROTATED_ATTRIBUTES else number // len(values)
    return random.Random(f"{seed} {name} {stretch}").sample(values, len(values))[
        number % len(values)
    ]
