"""`python -m finetuning`: search how deep to fine-tune a saved detector, and report if it helps."""

from finetuning.settings import FinetuningSettings
from runtime import console
from runtime.commands import parsing


def main() -> None:
    settings = parsing.parse_settings(FinetuningSettings, "finetuning")

    from training import keras_startup

    console.print_message("Starting Keras.")
    keras_startup.start_keras()

    from finetuning.finetune import finetune_detector
    from training import accelerators

    with accelerators.distribute_over_gpus():
        finetune_detector(settings)


if __name__ == "__main__":
    console.run_command(main)
