"""Templates are all different, balanced, of adults, and short enough for CLIP."""

from collections import Counter
from dataclasses import replace

import pytest

from data_collection.prompts import prompt_file, prompts
from data_collection.prompts.templates import PROMPT_ATTRIBUTES
from data_collection.prompts.writers import MAX_WORDS_BY_STYLE
from toys.prompt_settings import TEMPLATE_SETTINGS, catch_refusal, list_texts


def test_templates_are_all_different_and_their_end_is_a_sentence(tmp_path):
    assert "6,930 different prompts" in str(
        catch_refusal(tmp_path, replace(TEMPLATE_SETTINGS, prompt_count=6931))
    )
    written = prompt_file.read_prompts(tmp_path)
    assert len({prompt_file._normalise_text(prompt) for prompt in written}) == 6930 == len(written)
    assert "none" not in " ".join(list_texts(written))


@pytest.mark.parametrize("style", ["short", "long"])
def test_templates_fit_what_clip_reads(tmp_path, style):
    written = prompts.ensure_prompts(
        tmp_path, replace(TEMPLATE_SETTINGS, prompt_count=400, prompt_style=style), 5
    )
    assert max(len(prompt.text.split()) for prompt in written) <= MAX_WORDS_BY_STYLE[style]


@pytest.mark.parametrize("count", [7, 50, 333])
@pytest.mark.parametrize("seed", [0, 1])
def test_templates_use_every_value_equally_often(tmp_path, count, seed):
    written = prompts.ensure_prompts(tmp_path, replace(TEMPLATE_SETTINGS, prompt_count=count), seed)
    for name, values in PROMPT_ATTRIBUTES.items():
        often = Counter(prompt.attributes[name] for prompt in written)
        assert {often[value] - count // len(values) for value in values} <= {0, 1}, name


def test_templates_follow_the_seed_and_are_of_adults(tmp_path):
    first, again, other = (
        prompts.ensure_prompts(tmp_path / str(n), TEMPLATE_SETTINGS, seed)
        for n, seed in enumerate((0, 0, 1))
    )
    assert list_texts(first) == list_texts(again) != list_texts(other)
    assert all(int(prompt.attributes["age"]) >= 18 for prompt in first)
    assert first[0].attributes["age"] in first[0].text


def test_templates_that_are_added_keep_the_balance(tmp_path):
    prompts.ensure_prompts(tmp_path / "parts", replace(TEMPLATE_SETTINGS, prompt_count=17), 0)
    parts = prompts.ensure_prompts(tmp_path / "parts", TEMPLATE_SETTINGS, 0)
    assert parts == prompts.ensure_prompts(tmp_path / "whole", TEMPLATE_SETTINGS, 0)
