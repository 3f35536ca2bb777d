"""`python -m finetuning`: search how deep to fine-tune a saved detector, and say whether it helps."""

import tyro

from data_collection import console
from finetuning.settings import FinetuningSettings


def main() -> None:
    settings = tyro.cli(FinetuningSettings, prog="python -m finetuning")

    from training import quiet

    console.say("Starting Keras.")
    quiet.start_keras()

    from finetuning.finetune import finetune
    from training import accelerators

    with accelerators.mirrored():
        finetune(settings)


if __name__ == "__main__":
    console.run(main)
