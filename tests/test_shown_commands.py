"""Every command that the documents show is parsed as the command line parses it."""

import importlib
import sys

import pytest

from runtime.command_lines import parsing
from runtime.commands import names
from telltale import command
from toys.commands import REPOSITORY_ROOT
from toys.documents import list_documents, read_commands, split_command
from toys.helps import COMMANDS, read_examples, read_help

MODULES = {name.split()[0] for name in names.MODULE_COMMANDS.values()}
MIN_COMMANDS = 150


class WasParsed(BaseException):
    """Raised in place of running a command whose options were parsed."""


def parse_and_stop(*arguments, parse=parsing.parse_settings, **options):
    """Parse the options of a command and do not run it."""
    parse(*arguments, **options)
    raise WasParsed


@pytest.fixture
def parse_only(monkeypatch):
    monkeypatch.setattr(parsing, "parse_settings", parse_and_stop)


def find_fault(words: list[str]) -> str | None:
    """Return what is wrong with a command, as words from its module or from `telltale` on."""
    name, *arguments = words
    try:
        if name == "telltale":
            command.run_words(arguments)
        else:
            sys.argv[1:] = arguments
            importlib.import_module(f"{name}.__main__").main()
    except WasParsed:
        return None
    except SystemExit as end:
        return f"exit code {end.code}" if end.code else None
    except Exception as error:
        return str(error)
    return None if arguments in (["--version"], ["--help"], []) else "it was not parsed"


def is_named_only(words: list[str]) -> bool:
    """Return whether words name a command without its options, as a sentence may."""
    short = words[1:] if words[0] == "telltale" else words
    return len(short) == 1 or " ".join(short) in names.MODULE_COMMANDS.values()


@pytest.mark.parametrize(
    "path", list_documents(), ids=lambda path: path.relative_to(REPOSITORY_ROOT).as_posix()
)
def test_every_command_that_is_shown_is_parsed(path, parse_only, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["command"])
    faults = {
        " ".join(words): fault
        for words, whole in read_commands(path)
        if words[0] in (*MODULES, "telltale") and (whole or not is_named_only(words))
        if (fault := find_fault(words))
    }
    assert not faults, capsys.readouterr().err


@pytest.mark.parametrize("command", ("telltale", *COMMANDS))
def test_every_example_of_a_help_is_parsed(command, monkeypatch):
    examples = read_examples(read_help(command))
    monkeypatch.setattr(parsing, "parse_settings", parse_and_stop)
    monkeypatch.setattr(sys, "argv", ["command"])
    faults = {
        example: fault
        for example in examples
        for words in split_command(example)
        if (fault := find_fault(words))
    }
    assert not faults
    assert all(list(split_command(example)) for example in examples)


def test_the_documents_show_many_commands():
    commands = [words for path in list_documents() for words, _ in read_commands(path)]
    assert len(commands) >= MIN_COMMANDS
    assert {words[0] for words in commands} >= MODULES
