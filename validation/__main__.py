"""`python -m validation`: judge a saved detector on the hold-out; `matrix` takes a data set apart by source."""

import sys
from collections.abc import Callable

import tyro

from data_collection import console
from validation.settings import ValidationSettings

VALIDATE_HELP = f"""{ValidationSettings.__doc__}
One more command: `python -m validation matrix` trains a head on each generated source of a data set and tests it on every \
other."""


def validate_command(words: list[str]) -> None:
    settings = tyro.cli(ValidationSettings, prog="python -m validation", description=VALIDATE_HELP, args=words)

    from validation.validate import validate

    validate(settings)


def matrix_command(words: list[str]) -> None:
    from validation.matrix_settings import MatrixSettings

    settings = tyro.cli(MatrixSettings, prog="python -m validation matrix", args=words)

    from training import quiet

    console.say("Starting Keras.")
    quiet.start_keras()

    from validation.matrix import matrix

    matrix(settings)


COMMANDS: dict[str, Callable[[list[str]], None]] = {"matrix": matrix_command}


def main() -> None:
    first, *rest = sys.argv[1:] or [""]
    return COMMANDS[first](rest) if first in COMMANDS else validate_command(sys.argv[1:])


if __name__ == "__main__":
    console.run(main)
