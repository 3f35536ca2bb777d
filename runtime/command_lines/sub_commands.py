"""Run the sub-command that the first word of a command line names, or say that there is none."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence

from runtime import console
from runtime.commands.suggestions import find_close_names

Command = Callable[[list[str]], int | None]


def run_sub_command(
    command: str,
    sub_commands: Mapping[str, Command],
    run_default: Command,
    words: Sequence[str],
    takes_paths: bool = False,
    named_option: str = "",
) -> int | None:
    """Run the sub-command that the first word names, or the default one, and return its exit code.

    Args:
        command: what stands before the words, such as "detection models".
        run_default: runs on all words if the first one is no sub-command.
        takes_paths: whether the default command takes files, which other words may name.
        named_option: option of the default command that a first word without one may be meant for.

    Raises:
        PlainError: the first word is neither an option nor a sub-command.
    """
    first, *rest = words or [""]
    if first in sub_commands:
        return sub_commands[first](rest)
    if first == "help" and not os.path.lexists(first):
        return run_default(["--help"])
    is_word = bool(first) and not first.startswith("-")
    close = find_close_names(first, sub_commands) if is_word else []
    if takes_paths and close and not rest and not os.path.lexists(first):
        raise console.PlainError(
            f"There is no file and no command {first}; did you mean `python -m {command} "
            f"{close[0]}`?"
        )
    if is_word and not takes_paths:
        if close or named_option:
            words = [close[0]] if close else [named_option, first]
            advice = f"did you mean `python -m {shlex.join([*command.split(), *words])}`?"
        else:
            advice = f"`python -m {command} --help` lists the commands and options."
        raise console.PlainError(f"There is no command {first}; {advice}")
    return run_default(list(words))
