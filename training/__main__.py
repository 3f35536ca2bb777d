"""`python -m training`: search heads on pretrained bases, train the winner, save it."""

import tyro

from training.settings import TrainingSettings

if __name__ == "__main__":
    settings = tyro.cli(TrainingSettings, prog="python -m training")

    from data_collection import console
    from training import quiet

    console.say("Starting Keras.")
    quiet.start_keras()

    from training.train import train

    console.run(lambda: train(settings))
