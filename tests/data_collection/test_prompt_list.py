"""What is kept is lines of JSON; a torn or damaged line is noticed."""

import json
import os

import pytest

from data_collection import console, prompt_list, prompts
from toy_prompts import GPT, TEMPLATE, refused


def test_a_torn_last_line_is_passed_over_and_written_anew(tmp_path):
    whole = prompts.write(tmp_path, TEMPLATE, 0)
    path = prompt_list.prompts_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert prompt_list.read(tmp_path) == whole[:-1]
    assert prompts.write(tmp_path, TEMPLATE, 0) == whole == prompt_list.read(tmp_path)


@pytest.mark.parametrize("line", [b"\x00\x01", b'{"text": 1}', b'{"number": 7, "text": "a face"}', b"[]"])
def test_a_damaged_line_is_named(tmp_path, line):
    prompts.write(tmp_path, TEMPLATE, 0)
    path = prompt_list.prompts_path(tmp_path)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[4:]]))
    error = refused(tmp_path, TEMPLATE)
    assert "Line 4 of" in str(error) and error.exit_code == console.DISK
    with pytest.raises(console.PlainError, match="Line 4 of"):
        prompts.needs(TEMPLATE, tmp_path)


def test_saved_prompts_are_lines_of_json(tmp_path, service):
    prompts.write(tmp_path, GPT, 0)
    rows = [json.loads(line) for line in prompt_list.prompts_path(tmp_path).read_text().splitlines()]
    assert list(rows[0]) == ["number", "text", "attributes", "writer", "model"] and len(rows) == 10
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
