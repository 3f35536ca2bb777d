"""The help of every command: grouped options, plain words, few columns, and real examples."""

import contextlib
import io
import re

import pytest
import tyro

from runtime.command_lines.command_options import list_command_options
from toys.helps import COMMANDS, WIDTH, find_settings_class, read_examples, read_help

PARSER_JARGON = re.compile(
    r"\{None\}|\b(STR|INT|FLOAT|BOOL)\b|\[\[|\{\w+,|--(\S+), --no-|show this help|"
    r"positional arguments|\(repeatable\)|usage: .*\[-h\]|Error parsing|Settings\b"
)
OPTION_LINE = re.compile(r"^│ (--[\w-]+(?:, --[\w-]+)?)", re.MULTILINE)
MAX_EXAMPLES = 3


def read_help_of_parser(settings_class: type) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        tyro.cli(settings_class, args=["--help"])
    return printed.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_a_group_and_has_a_text(command):
    options = list(list_command_options(find_settings_class(command)))
    assert not [option.flag for option in options if option.flag and option.group is None]
    assert not [option.name for option in options if not option.about]


@pytest.mark.parametrize("command", ("telltale", *COMMANDS))
def test_a_help_is_plain_and_fits_the_terminal(command):
    text = read_help(command)
    assert text.startswith("usage: ")
    assert not [line for line in text.splitlines() if len(line) > WIDTH]
    assert PARSER_JARGON.findall(text) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_help_shows_every_option_of_the_parser_and_no_text_is_broken(command):
    settings_class = find_settings_class(command)
    shown = " ".join(read_help(command).split())
    for line in OPTION_LINE.findall(read_help_of_parser(settings_class)):
        assert any(f" {flag} " in shown for flag in line.split(", ")), line
    for option in list_command_options(settings_class):
        assert option.about in shown


@pytest.mark.parametrize("room", ("data_collection", "validation", "detection"))
def test_a_help_lists_the_sub_commands_one_a_line(room):
    lines = read_help(room).partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    sub_commands = [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{room} ")]
    assert sorted(re.split(r"  +", line.strip())[0] for line in lines) == sub_commands
    assert all(re.fullmatch(r"  \S.*\S  +\S.*", line) for line in lines)


@pytest.mark.parametrize("command", ("telltale", *COMMANDS))
def test_a_help_ends_with_a_few_examples(command):
    text = read_help(command)
    examples = read_examples(text)
    assert 1 <= len(examples) <= MAX_EXAMPLES
    assert text.rstrip().endswith(examples[-1])
    assert all(command.split()[-1] in example for example in examples)
