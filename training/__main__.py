"""`python -m training`: search heads on pretrained bases and save the best as a detector."""

from runtime import console
from runtime.commands import parsing
from training.settings import TrainingSettings


def main() -> None:
    settings = parsing.parse_settings(TrainingSettings, "training")

    from training import keras_startup

    console.print_message("Starting Keras.")
    keras_startup.start_keras()

    from training.train import train_detector

    train_detector(settings)


if __name__ == "__main__":
    console.run_command(main)
