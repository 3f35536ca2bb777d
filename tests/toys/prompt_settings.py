"""Settings of prompt writers, and the error that stops one."""

import pytest

from data_collection.prompts import prompts
from data_collection.settings import PromptSettings
from runtime import console

TEMPLATE_SETTINGS = PromptSettings(prompts="template")
GPT_SETTINGS = PromptSettings(prompt_count=10)


def list_texts(written) -> list[str]:
    return [prompt.text for prompt in written]


def catch_refusal(folder, settings=GPT_SETTINGS) -> console.PlainError:
    with pytest.raises(console.PlainError) as caught:
        prompts.ensure_prompts(folder, settings, 0)
    return caught.value
