"""`python -m validation`: validate a detector on the hold-out, or without a generator or source."""

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

import runtime.commands.interpreter  # noqa: F401  (before all others)
from runtime import console
from runtime.command_lines import parsing, sub_commands
from validation.settings import ValidationSettings

SettingsType = TypeVar("SettingsType")


def run_validate_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(ValidationSettings, "validation", arguments)

    from validation.validate import validate_detector

    validate_detector(settings)


def run_cross_generator_command(arguments: list[str]) -> None:
    from validation.cross_generator.settings import CrossGeneratorSettings

    settings = parse_and_start_keras(
        CrossGeneratorSettings, "cross-generator", arguments, lambda settings: [settings.base]
    )

    from validation.cross_generator.cross_generator import evaluate_cross_generator

    evaluate_cross_generator(settings)


def run_leave_source_out_command(arguments: list[str]) -> None:
    from validation.leave_source_out.settings import LeaveSourceOutSettings

    settings = parse_and_start_keras(
        LeaveSourceOutSettings, "leave-source-out", arguments, lambda settings: settings.bases
    )

    from validation.leave_source_out.evaluate import evaluate_left_out_sources

    evaluate_left_out_sources(settings)


def parse_and_start_keras(
    settings_class: type[SettingsType],
    name: str,
    arguments: list[str],
    bases: Callable[[SettingsType], Iterable[str]],
) -> SettingsType:
    """Parse the settings of the command of this name; start Keras if they are right.

    Args:
        bases: returns the bases that the settings name.
    """
    settings = parsing.parse_settings(settings_class, f"validation {name}", arguments)

    from training import dataset, keras_startup
    from training.bases import weights

    dataset.find_dataset(settings.data, settings.dataset)  # before Keras takes seconds to start
    weights.check_named_path(settings.weights, bases(settings))
    keras_startup.start_keras()
    return settings


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "cross-generator": run_cross_generator_command,
    "leave-source-out": run_leave_source_out_command,
}


def main() -> None:
    sub_commands.run_sub_command(
        "validation", COMMANDS, run_validate_command, sys.argv[1:], named_option="--model"
    )


if __name__ == "__main__":
    console.run_command(main)
