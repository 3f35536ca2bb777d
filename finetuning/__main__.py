"""`python -m finetuning`: search how deep to fine-tune a saved detector, and report if it helps."""

import sys

import runtime.commands.interpreter  # noqa: F401  (before all others)
from finetuning.settings import FinetuningSettings
from runtime import console
from runtime.command_lines import parsing, sub_commands


def run_finetune_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(FinetuningSettings, "finetuning", arguments)

    from finetuning.source_detector import choose_source
    from training import keras_startup
    from training.detectors import saved_models

    choose_source(settings)  # before Keras takes seconds to start
    saved_models.check_name(settings.saved_models, settings.name)
    keras_startup.start_keras()

    from finetuning.finetune import finetune_detector
    from training import accelerators

    with accelerators.distribute_over_gpus():
        finetune_detector(settings)


def main() -> None:
    sub_commands.run_sub_command(
        "finetuning", {}, run_finetune_command, sys.argv[1:], named_option="--model"
    )


if __name__ == "__main__":
    console.run_command(main)
