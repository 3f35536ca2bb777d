"""Parse the options of a command into its settings."""

from collections.abc import Sequence
from typing import TypeVar

import tyro

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
        description: for --help; the docstring of the class without it.
    """
    return tyro.cli(
        settings_class,
        prog=names.translate_commands(f"python -m {command}"),
        description=description and names.translate_commands(description),
        args=arguments,
    )
