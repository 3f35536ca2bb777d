"""Check the words of a command line before they are parsed; say in plain words what is wrong."""

import os
import re
from collections.abc import Sequence

from runtime.command_lines.command_options import CommandOption, list_command_options
from runtime.command_lines.help_text import format_usage
from runtime.commands import suggestions


def check_words(settings_class: type, command: str, words: Sequence[str]) -> None:
    """Check options, their values, and the words that stand without an option.

    Raises:
        ValueError: what is wrong first, with what to give.
    """
    options = list(list_command_options(settings_class))
    given, rest = _check_options({flag: o for o in options for flag in o.flags if o.flag}, words)
    positional = [option for option in options if not option.flag]
    if len(rest) > len(positional) and not any(option.is_list for option in positional):
        word = rest[len(positional)]
        raise ValueError(
            f"{word} is no option and no value of one; `python -m {command} --help` lists the "
            "options."
        )
    for option in [*positional[len(rest) :], *(o for o in options if o.flag and o not in given)]:
        if option.is_required:
            usage = format_usage(command, options)
            raise ValueError(f"{option.flag or option.word} is missing; give it: {usage}")


def _check_options(
    options: dict[str, CommandOption], words: Sequence[str]
) -> tuple[list[CommandOption], list[str]]:
    """Return the options that are given, and the words that belong to none."""
    given: list[CommandOption] = []
    rest: list[str] = []
    flag, option, count = "", None, 0
    for word in words:
        if _is_option(word):
            _check_has_value(flag, option, count)
            flag, equals, word = word.partition("=")
            flag, count = flag.replace("_", "-"), 0
            if flag not in options:
                raise ValueError(_explain_unknown_option(flag, options))
            option = options[flag]
            given.append(option)
            if not equals:
                continue
        if option is None or option.is_switch or (count and not option.is_list):
            rest.append(word)
            continue
        count += 1
        if option.values and not option.values.accepts(word):
            raise ValueError(f"{flag} is {word!r}; {option.values.explain(flag, word)}")
    _check_has_value(flag, option, count)
    return given, rest


def _is_option(word: str) -> bool:
    """Return whether a word is an option, well written or not: neither a number nor `-`."""
    return word.startswith("-") and len(word) > 1 and not re.fullmatch(r"-[\d.]+(e-?\d+)?", word)


def _check_has_value(flag: str, option: CommandOption | None, count: int) -> None:
    """Raise ValueError for an option whose value is missing; a list may be empty."""
    if option and not (count or option.is_switch or option.is_list):
        example = f": {option.values.describe()}" if option.values else ""
        raise ValueError(f"{flag} has no value; give {option.usage}{example}.")


def _explain_unknown_option(flag: str, options: dict[str, CommandOption]) -> str:
    if os.path.lexists(flag):
        return f"There is no option {flag}; write ./{flag} for the file."
    name = flag.lstrip("-")
    close = suggestions.find_close_names(f"--{name}", options) if len(name) > 1 else []
    advice = f"did you mean {close[0]}?" if close else "--help lists the options."
    return f"There is no option {flag}; {advice}"
