"""`python -m training`: search heads on pretrained bases and save the best as a detector."""

import sys

import runtime.commands.interpreter  # noqa: F401  (before all others)
from runtime import console
from runtime.command_lines import parsing, sub_commands
from training.settings import TrainingSettings


def run_train_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(TrainingSettings, "training", arguments)

    from training import dataset, keras_startup
    from training.bases import weights
    from training.detectors import saved_models

    dataset.find_dataset(settings.data, settings.dataset)  # before Keras takes seconds to start
    weights.check_named_path(settings.weights, settings.bases)
    saved_models.check_name(settings.saved_models, settings.name)
    keras_startup.start_keras()

    from training.train import train_detector

    train_detector(settings)


def main() -> None:
    sub_commands.run_sub_command(
        "training", {}, run_train_command, sys.argv[1:], named_option="--dataset"
    )


if __name__ == "__main__":
    console.run_command(main)
