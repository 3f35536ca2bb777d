"""The text of `--help`: usage, purpose, sub-commands, options in groups, and examples."""

import itertools
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence

import rich.table
import rich.text

from runtime import console
from runtime.command_lines.command_options import CommandOption, list_command_options
from runtime.command_lines.option_groups import OptionGroup
from runtime.commands import names

MAX_HELP_CHARACTERS = 100
"""Longer lines are hard to read, however wide the terminal is."""

MAX_LABEL_CHARACTERS = 25
"""Options that are longer have a line of their own."""

INDENT = "  "
ARGUMENTS = OptionGroup("Arguments", position=-1)
UNDECLARED = OptionGroup("Other options", position=5)


def print_help(settings_class: type, command: str, description: str) -> None:
    """Print the help of a command.

    Args:
        settings_class: dataclass of its options.
        command: such as "detection web".
        description: paragraphs, and examples in indented lines.
    """
    options = list(list_command_options(settings_class))
    paragraphs, examples = split_description(description)
    print_line(f"usage: {format_usage(command, options)}", style="bold")
    for paragraph in paragraphs:
        print_line()
        print_line(paragraph)
    print_labelled_texts("Commands", names.list_sub_commands(command))
    for group, members in group_options(options):
        print_labelled_texts(group.title, {o.usage or o.word: describe_option(o) for o in members})
    print_examples(examples)


def format_usage(command: str, options: Iterable[CommandOption]) -> str:
    """Return how a command is typed: its words and those that must be given."""
    words = [f"python -m {command}", "[OPTIONS]"]
    for option in options:
        if option.is_required:
            words.append(option.usage)
        elif not option.flag:
            words.append(f"[{option.usage}]")
    return names.translate_commands(" ".join(words))


def split_description(description: str) -> tuple[list[str], list[str]]:
    """Return the paragraphs of a description, each on one line, and the lines of its examples."""
    lines = description.splitlines()
    examples = [line.strip() for line in lines if line.startswith("    ")]
    text = "\n".join(line for line in lines if not line.startswith("    "))
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    return [part for part in paragraphs if part and part != "Examples:"], examples


def group_options(
    options: Iterable[CommandOption],
) -> Iterator[tuple[OptionGroup, Sequence[CommandOption]]]:
    """Yield the groups in their order, with their options."""

    def find_group(option: CommandOption) -> OptionGroup:
        return (option.group or UNDECLARED) if option.flag else ARGUMENTS

    ordered = list(options)
    first = list(map(find_group, ordered))
    ordered.sort(key=lambda o: (find_group(o).position, first.index(find_group(o))))
    for group, members in itertools.groupby(ordered, find_group):
        yield group, list(members)


def describe_option(option: CommandOption) -> str:
    """Return the text of an option, with the values that it takes and its default."""
    facts = "; ".join(filter(None, (_describe_choices(option), _describe_default(option))))
    return f"{option.about} ({facts})" if facts else option.about


def _describe_choices(option: CommandOption) -> str:
    """Return the values to choose from; empty if there are none, or the text names them all."""
    choices = option.values.choices if option.values else ()
    return "" if all(choice in option.about for choice in choices) else option.values.describe()


def _describe_default(option: CommandOption) -> str:
    """Return the default; empty for one that is nothing, which the text explains."""
    if option.is_required:
        return "required" if option.flag else ""
    default = option.default
    if option.is_switch or default in (None, "", ()) or not option.flag:
        return ""
    values = default if isinstance(default, tuple) else (default,)
    return f"default: {' '.join(map(str, values))}"


def print_labelled_texts(title: str, texts: Mapping[str, str]) -> None:
    """Print a heading, and a text beside each label; nothing if there are none."""
    if not texts:
        return
    print_line()
    print_line(f"{title}:", style="bold")
    short = [len(label) for label in texts if len(label) <= MAX_LABEL_CHARACTERS]
    width = max(short, default=MAX_LABEL_CHARACTERS)
    for label, text in texts.items():
        if len(label) > width:
            print_line(INDENT + label, style="cyan")
            label = ""
        row = rich.table.Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=len(INDENT) + width)
        row.add_column(overflow="fold")
        row.add_row(
            rich.text.Text(INDENT + label, "cyan"),
            rich.text.Text(names.translate_commands(text)),
        )
        console.out.print(row, width=measure_width())


def print_examples(examples: Iterable[str]) -> None:
    """Print examples under their heading, each on a line of its own."""
    for number, example in enumerate(examples):
        if not number:
            print_line()
            print_line("Examples:", style="bold")
        print_line(INDENT + names.translate_commands(example))


def print_line(text: str = "", style: str = "") -> None:
    """Print a text, wrapped between words."""
    line = rich.text.Text(names.translate_commands(text), style)
    console.out.print(line, width=measure_width())


def measure_width() -> int:
    """Return the width of the help, in characters; 80 where no terminal tells its own."""
    return min(shutil.get_terminal_size().columns, MAX_HELP_CHARACTERS)
