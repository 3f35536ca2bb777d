"""Sentences with a count of one are in the singular."""

import pytest

from runtime.terminal.counting import choose_verb, format_count


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(0, "0 images are"), (1, "1 image is"), (2, "2 images are"), (1234, "1,234 images are")],
)
def test_only_one_is_in_the_singular(number, sentence):
    assert f"{format_count(number, 'image')} {choose_verb(number, 'is', 'are')}" == sentence
