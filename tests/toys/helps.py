"""The help of every command, printed in this process as a terminal of 80 columns shows it."""

import contextlib
import importlib
import io
import shlex
import sys

import pytest

from runtime.command_lines import parsing
from runtime.commands.names import MODULE_COMMANDS

WIDTH = 80
COMMANDS = tuple(sorted(MODULE_COMMANDS.values()))


def run_in_process(command: str, *words: str) -> None:
    """Run a command such as "detection models" with more words."""
    module, *sub_command = shlex.split(command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *sub_command, *words])
        patch.setattr("runtime.commands.names._shown_as_telltale", module == "telltale")
        if module == "telltale":
            importlib.import_module("telltale.command").run_words([*sub_command, *words])
        else:
            importlib.import_module(f"{module}.__main__").main()


def read_help(command: str) -> str:
    """Return the help of a command such as "detection models"; of "telltale", the overview."""
    printed = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.suppress(SystemExit),
        contextlib.redirect_stdout(printed),
    ):
        patch.setenv("COLUMNS", str(WIDTH))
        run_in_process(command, "--help")
    return printed.getvalue()


def find_settings_class(command: str) -> type:
    """Return the class of a command's options."""
    found: list[type] = []

    def note_class(settings_class: type, *_: object, **__: object) -> None:
        found.append(settings_class)
        raise SystemExit

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(SystemExit):
        patch.setattr(parsing, "parse_settings", note_class)
        run_in_process(command)
    return found[0]


def read_examples(text: str) -> list[str]:
    """Return the lines below "Examples:"."""
    return [line.strip() for line in text.partition("Examples:\n")[2].splitlines()]
