"""Prompts asked for in few words, and what stops their writing."""

import pytest

from data_collection import console, prompts
from data_collection.settings import PromptSettings

TEMPLATE = PromptSettings(prompts="template")
GPT = PromptSettings(prompt_count=10)


def texts(written) -> list[str]:
    return [prompt.text for prompt in written]


def refused(folder, settings=GPT) -> console.PlainError:
    with pytest.raises(console.PlainError) as caught:
        prompts.write(folder, settings, 0)
    return caught.value
