"""Parse the options of a command into its settings."""

import contextlib
import inspect
import io
import sys
from collections.abc import Sequence
from typing import TypeVar

import tyro

from runtime import console
from runtime.command_lines import command_words, help_text
from runtime.commands import names

Settings = TypeVar("Settings")


def parse_settings(
    settings_class: type[Settings],
    command: str,
    arguments: Sequence[str] | None = None,
    description: str | None = None,
) -> Settings:
    """Return the settings that a command line gives; exit with --help's text or with code 2.

    Args:
        settings_class: dataclass whose fields are the options.
        command: module and sub-command, such as "detection web".
        arguments: words of the command line; those of this process without it.
        description: for --help, with examples in indented lines; the docstring of the class
            without it.

    Raises:
        PlainError: an option does not exist or lacks its value, or does not take it.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if {"--help", "-h"} & set(words):
        help_text.print_help(settings_class, command, description or inspect.getdoc(settings_class))
        sys.exit(0)
    printed = io.StringIO()
    try:
        command_words.check_words(settings_class, command, words)
        with contextlib.redirect_stderr(printed):
            return tyro.cli(
                settings_class, prog=names.translate_commands(f"python -m {command}"), args=words
            )
    except ValueError as error:
        raise console.PlainError(str(error)) from None
    except SystemExit as end:
        # tyro exits while it handles the error of a settings class, and calls it by that name.
        if isinstance(end.__context__, ValueError):
            raise console.PlainError(str(end.__context__)) from None
        sys.stderr.write(printed.getvalue())
        raise
