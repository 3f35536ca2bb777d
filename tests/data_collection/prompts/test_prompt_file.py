"""prompts.jsonl holds lines of JSON; a torn or damaged line is noticed."""

import json
import os

import pytest

from data_collection.prompts import prompt_file, prompts
from runtime import console
from toys.prompt_settings import GPT_SETTINGS, TEMPLATE_SETTINGS, catch_refusal


def test_a_torn_last_line_is_passed_over_and_written_anew(tmp_path):
    whole = prompts.ensure_prompts(tmp_path, TEMPLATE_SETTINGS, 0)
    path = prompt_file.prompts_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert prompt_file.read_prompts(tmp_path) == whole[:-1]
    assert (
        prompts.ensure_prompts(tmp_path, TEMPLATE_SETTINGS, 0)
        == whole
        == prompt_file.read_prompts(tmp_path)
    )


@pytest.mark.parametrize(
    "line", [b"\x00\x01", b'{"text": 1}', b'{"number": 7, "text": "a face"}', b"[]"]
)
def test_a_damaged_line_is_named(tmp_path, line):
    prompts.ensure_prompts(tmp_path, TEMPLATE_SETTINGS, 0)
    path = prompt_file.prompts_path(tmp_path)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[4:]]))
    error = catch_refusal(tmp_path, TEMPLATE_SETTINGS)
    assert "Line 4 of" in str(error) and error.exit_code == console.EXIT_DISK
    with pytest.raises(console.PlainError, match="Line 4 of"):
        prompts.list_prompt_requirements(TEMPLATE_SETTINGS, tmp_path)


def test_saved_prompts_are_lines_of_json(tmp_path, service):
    prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)
    rows = [
        json.loads(line) for line in prompt_file.prompts_path(tmp_path).read_text().splitlines()
    ]
    assert list(rows[0]) == ["number", "text", "attributes", "writer", "model"] and len(rows) == 10
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
