"""The command `telltale`: every command of the rooms under one name, and `telltale doctor`."""

import importlib
import sys
from collections.abc import Sequence

import runtime.commands.interpreter  # noqa: F401  (before all others)
from runtime import console
from runtime.command_lines import help_text
from runtime.commands import suggestions
from runtime.commands.names import COMMAND_SECTIONS, MODULE_COMMANDS, show_as_telltale

EXAMPLES = ("telltale detect photo.jpg", "telltale web", "telltale collect --recipe sample")


def main() -> None:
    """Run the command that the words of the command line name."""
    show_as_telltale()
    console.run_command(lambda: run_words(sys.argv[1:]))


def run_words(words: Sequence[str]) -> int | None:
    """Run a command of `telltale` and return its exit code.

    Raises:
        PlainError: there is no such command.
    """
    name, *arguments = words or ["--help"]
    if name in ("--help", "-h", "help"):
        print_overview()
        return 0
    if name == "--version":
        from runtime.library_versions import read_version

        console.out.print(f"telltale {read_version()}", markup=False)
        return 0
    if name == "doctor":
        from telltale.doctor import run_doctor_command

        return run_doctor_command(arguments)
    if name not in MODULE_COMMANDS:
        close = suggestions.find_close_names(name, MODULE_COMMANDS)
        meant = f"did you mean `telltale {close[0]}`?" if close else "`telltale` lists all."
        raise console.PlainError(f"There is no command {name}; {meant}")
    module, *sub_command = MODULE_COMMANDS[name].split()
    sys.argv[1:] = [*sub_command, *arguments]
    return importlib.import_module(f"{module}.__main__").main()


def print_overview() -> None:
    """Print all commands, in sections, and examples."""
    help_text.print_line("usage: telltale COMMAND [OPTIONS]", style="bold")
    help_text.print_line(
        "`telltale COMMAND --help` lists its options, `telltale --version` tells the version."
    )
    for title, commands in COMMAND_SECTIONS.items():
        summaries = {name: command.summary for name, command in commands.items()}
        help_text.print_labelled_texts(title, summaries)
    help_text.print_examples(EXAMPLES)
