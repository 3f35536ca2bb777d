"""`python -m training`: search heads on pretrained bases, train the winner, save it."""

import os

import tyro

from training.settings import TrainingSettings

if __name__ == "__main__":
    settings = tyro.cli(TrainingSettings, prog="python -m training")

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from data_collection import console

    with console.err.status("starting Keras"):
        from training.train import train

    console.run(lambda: train(settings))
