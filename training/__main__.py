"""`python -m training`: search heads on pretrained bases, train the winner, save it."""

import tyro

from data_collection import console
from training.settings import TrainingSettings


def main() -> None:
    settings = tyro.cli(TrainingSettings, prog="python -m training")

    from training import quiet

    console.say("Starting Keras.")
    quiet.start_keras()

    from training.train import train

    train(settings)


if __name__ == "__main__":
    console.run(main)
