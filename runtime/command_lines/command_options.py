"""List the options of a command from its settings class: types, defaults, groups and texts."""

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from runtime.command_lines.option_groups import Metavar, OptionGroup
from runtime.command_lines.option_values import OptionValues, read_values

TYPE_WORDS = {int: "N", float: "NUMBER", Path: "PATH"}
"""Words for values of each type; all others are names."""


@dataclass(frozen=True, kw_only=True)
class CommandOption:
    """An option of a command, or one of the words that stand without one.

    Attributes:
        flag: such as "--trials"; that of a positional word is empty.
        word: for the value, such as "N"; empty for a switch.
        default: dataclasses.MISSING if it must be given.
        group: in the help; None if none is declared.
        about: the docstring of the field, on one line.
        values: that the option takes; None if any text will do.
        is_list: whether several values follow, separated by spaces.
    """

    name: str
    flag: str
    word: str
    default: object
    group: OptionGroup | None
    about: str
    values: OptionValues | None
    is_list: bool

    @property
    def is_switch(self) -> bool:
        return not self.word

    @property
    def is_required(self) -> bool:
        return self.default is dataclasses.MISSING and not self.is_list

    @property
    def flags(self) -> tuple[str, ...]:
        """Spellings that the parser takes."""
        return (self.flag, f"--no-{self.flag[2:]}") if self.is_switch else (self.flag,)

    @property
    def usage(self) -> str:
        """The option as it is typed: the spelling that changes the default, and its value."""
        value = f"{self.word} ..." if self.is_list else self.word
        return f"{self.flags[bool(self.default)] if self.is_switch else self.flag} {value}".strip()


def list_command_options(
    settings_class: type, group: OptionGroup | None = None
) -> Iterator[CommandOption]:
    """Yield the options of a settings class and of those that are nested in it.

    Args:
        settings_class: dataclass.
        group: of options that declare none.
    """
    hints = typing.get_type_hints(settings_class, include_extras=True)
    texts = read_field_docstrings(settings_class)
    for field in dataclasses.fields(settings_class):
        marks = getattr(hints[field.name], "__metadata__", ())
        hint = hints[field.name].__origin__ if marks else hints[field.name]
        own_group = next((mark for mark in marks if isinstance(mark, OptionGroup)), group)
        if dataclasses.is_dataclass(hint):
            yield from list_command_options(hint, own_group)
        elif tyro.conf.Suppress not in marks:
            yield _build_option(field, hint, marks, own_group, texts.get(field.name, ""))


def _build_option(
    field: dataclasses.Field, hint: object, marks: tuple, group: OptionGroup | None, about: str
) -> CommandOption:
    is_positional = tyro.conf.Positional in marks
    flag = field.name.replace("_", "-")
    types = (hint, *typing.get_args(hint))
    kind = typing.get_origin(hint) or hint
    word = next((TYPE_WORDS[part] for part in types if part in TYPE_WORDS), "NAME")
    word = flag.upper() if is_positional else word
    word = next((mark.word for mark in marks if isinstance(mark, Metavar)), word)
    return CommandOption(
        name=field.name,
        flag="" if is_positional else f"--{flag}",
        word="" if hint is bool else word,
        default=field.default,
        group=group,
        about=about,
        values=read_values(hint, field.default),
        is_list=kind is tuple and tyro.conf.UseAppendAction not in marks,
    )


def read_field_docstrings(settings_class: type) -> dict[str, str]:
    """Return the docstring below each field of a dataclass and of its base classes, on one line."""
    texts: dict[str, str] = {}
    for owner in reversed(settings_class.__mro__):
        if not dataclasses.is_dataclass(owner):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        for node, below in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(node, ast.AnnAssign) and isinstance(below, ast.Expr):
                texts[node.target.id] = " ".join(ast.literal_eval(below.value).split())
    return texts
