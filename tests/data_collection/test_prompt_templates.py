"""Templates are all different, balanced, of adults, and short enough for CLIP."""

from collections import Counter
from dataclasses import replace

import pytest

from data_collection import prompt_list, prompts
from data_collection.prompt_templates import ATTRIBUTES
from data_collection.prompt_writers import MOST_WORDS
from toy_prompts import TEMPLATE, refused, texts


def test_templates_are_all_different_and_their_end_is_a_sentence(tmp_path):
    assert "6,930 different prompts" in str(refused(tmp_path, replace(TEMPLATE, prompt_count=6931)))
    written = prompt_list.read(tmp_path)
    assert len({prompt_list._same(prompt) for prompt in written}) == 6930 == len(written)
    assert "none" not in " ".join(texts(written))


@pytest.mark.parametrize("style", ["short", "long"])
def test_templates_fit_what_clip_reads(tmp_path, style):
    written = prompts.write(tmp_path, replace(TEMPLATE, prompt_count=400, prompt_style=style), 5)
    assert max(len(prompt.text.split()) for prompt in written) <= MOST_WORDS[style]


@pytest.mark.parametrize("count", [7, 50, 333])
@pytest.mark.parametrize("seed", [0, 1])
def test_templates_use_every_value_equally_often(tmp_path, count, seed):
    written = prompts.write(tmp_path, replace(TEMPLATE, prompt_count=count), seed)
    for name, values in ATTRIBUTES.items():
        often = Counter(prompt.attributes[name] for prompt in written)
        assert {often[value] - count // len(values) for value in values} <= {0, 1}, name


def test_templates_follow_the_seed_and_are_of_adults(tmp_path):
    first, again, other = (prompts.write(tmp_path / str(n), TEMPLATE, seed) for n, seed in enumerate((0, 0, 1)))
    assert texts(first) == texts(again) != texts(other)
    assert all(int(prompt.attributes["age"]) >= 18 for prompt in first)
    assert first[0].attributes["age"] in first[0].text


def test_templates_that_are_added_keep_the_balance(tmp_path):
    prompts.write(tmp_path / "parts", replace(TEMPLATE, prompt_count=17), 0)
    parts = prompts.write(tmp_path / "parts", TEMPLATE, 0)
    assert parts == prompts.write(tmp_path / "whole", TEMPLATE, 0)
