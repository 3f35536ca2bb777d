"""`python -m training`: search heads on pretrained bases and save the best as a detector."""

import sys

import runtime.commands.interpreter  # noqa: F401  (before all others)
from runtime import console
from runtime.command_lines import parsing, sub_commands
from training.settings import TrainingSettings


def run_train_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(TrainingSettings, "training", arguments)

    if settings.dataset is not None:  # before Keras takes seconds to start
        from data_collection.stored_datasets import location

        location.find_dataset_folder(settings.data, settings.dataset)

    from training import keras_startup

    console.print_message("Starting Keras.")
    keras_startup.start_keras()

    from training.train import train_detector

    train_detector(settings)


def main() -> None:
    sub_commands.run_sub_command(
        "training", {}, run_train_command, sys.argv[1:], named_option="--dataset"
    )


if __name__ == "__main__":
    console.run_command(main)
