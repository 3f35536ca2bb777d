"""Values that options take: numbers and choices, explained in plain words."""

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass

from runtime.commands import suggestions

NUMBER_NOUNS = {int: "whole number", float: "number"}


@dataclass(frozen=True)
class OptionValues:
    """Values that an option takes.

    Attributes:
        kind: int or float, for numbers; str for choices.
        choices: the valid values; empty for numbers.
        is_list: whether the option takes several values, separated by spaces.
        default: of the option.
    """

    kind: Callable
    choices: tuple[str, ...]
    is_list: bool
    default: object

    def accepts(self, value: str) -> bool:
        """Return whether the option takes this value."""
        if self.choices:
            return value in self.choices
        try:
            self.kind(value)
        except ValueError:
            return False
        return True

    def describe(self) -> str:
        """Return which value to give: "a whole number, such as 30"; "a, b or c"."""
        if self.choices:
            return " or ".join(filter(None, (", ".join(self.choices[:-1]), self.choices[-1])))
        such_as = self.default[0] if isinstance(self.default, tuple) else self.default
        example = f", such as {such_as}" if self.accepts(str(such_as)) else ""
        return f"a {NUMBER_NOUNS[self.kind]}{example}"

    def explain(self, option: str, value: str) -> str:
        """Return what is wrong with a value that the option does not take, and what to give."""
        parts = value.replace(",", " ").split()
        if self.is_list and len(parts) > 1 and all(map(self.accepts, parts)):
            return f"separate the values by spaces: {option} {' '.join(parts)}."
        if not self.choices:
            return f"give {self.describe()}."
        close = suggestions.find_close_names(value, self.choices)
        hint = f"did you mean {close[0]}? Choose" if close else "choose"
        return f"{hint} {self.describe()}."


def read_values(hint: object, default: object) -> OptionValues | None:
    """Return the values that a type stands for; None if any text will do."""
    is_list = typing.get_origin(hint) is tuple
    if is_list:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if hint in NUMBER_NOUNS:
        return OptionValues(hint, (), is_list, default)
    if typing.get_origin(hint) is typing.Literal:
        return OptionValues(str, typing.get_args(hint), is_list, default)
    return None
