"""`python -m data_collection`: collect real and generated faces into one data set; commands
around it."""

import sys
from collections.abc import Callable
from pathlib import Path

import runtime.commands.interpreter  # noqa: F401  (before all others)
from data_collection.command_settings import (
    AuditSettings,
    CorrectSettings,
    DownloadSettings,
    RegenerateSettings,
    RemoveSettings,
    UploadSettings,
    VerifySettings,
)
from runtime import console
from runtime.command_lines import parsing, sub_commands

PREGENERATE_HELP = """Generate the faces of `stable-diffusion` sources before a collection, on
several GPUs, with one process per GPU started by torchrun or `accelerate launch`. Give the
options of the collection; the next collection uses the generated images.

Examples:
    torchrun --nproc-per-node 2 -m data_collection pregenerate
"""

PREGENERATE_ON_RAY_HELP = """Generate the faces of `stable-diffusion` sources before a collection,
on the Ray cluster that RAY_ADDRESS names, or on this machine. Give the options of the collection;
the next collection uses the generated images.

Examples:
    python -m data_collection pregenerate-on-ray
    python -m data_collection pregenerate-on-ray --generated stable-diffusion:5000
"""


DatasetSettings = (
    AuditSettings
    | CorrectSettings
    | RegenerateSettings
    | RemoveSettings
    | UploadSettings
    | VerifySettings
)


def find_folder(settings: DatasetSettings) -> Path:
    """Return the folder of the data set that a command names."""
    from data_collection.stored_datasets import location

    return location.find_dataset_folder(settings.data, settings.dataset)


def run_collect_command(arguments: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse_collection_settings(arguments)

    from data_collection.collect import collect_dataset

    collect_dataset(settings)


def run_audit_command(arguments: list[str]) -> int:
    settings = parsing.parse_settings(AuditSettings, "data_collection audit", arguments)

    from data_collection.audit_dataset import audit_dataset

    folder = find_folder(settings)
    audit = audit_dataset(folder, settings.logs, settings.seed, sizes=settings.sizes)
    return console.EXIT_SHORTCUT if audit.status == "RED" else 0


def run_verify_command(arguments: list[str]) -> int:
    settings = parsing.parse_settings(VerifySettings, "data_collection verify", arguments)

    from data_collection.dataset.verification import verify_dataset

    return 0 if verify_dataset(find_folder(settings)) else console.EXIT_DISK


def run_regenerate_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(RegenerateSettings, "data_collection regenerate", arguments)

    from data_collection.regenerate import regenerate_image

    regenerate_image(find_folder(settings), settings.file, settings.out)


def run_remove_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(RemoveSettings, "data_collection remove", arguments)

    from data_collection.stored_datasets.removal import remove_and_print

    remove_and_print(find_folder(settings), settings.source)


def run_correct_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(CorrectSettings, "data_collection correct", arguments)

    from data_collection.stored_datasets.correct import correct_dataset

    correct_dataset(find_folder(settings), settings)


def run_upload_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(UploadSettings, "data_collection upload", arguments)

    from data_collection.dataset.transfer import upload_dataset

    upload_dataset(find_folder(settings), settings.url)


def run_download_command(arguments: list[str]) -> None:
    settings = parsing.parse_settings(DownloadSettings, "data_collection download", arguments)

    from data_collection.dataset.transfer import download_dataset

    download_dataset(settings.url, settings.folder)


def run_pregenerate_command(arguments: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse_collection_settings(
        arguments, "data_collection pregenerate", PREGENERATE_HELP
    )

    from data_collection.collect import pregenerate

    pregenerate(settings)


def run_pregenerate_on_ray_command(arguments: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse_collection_settings(
        arguments, "data_collection pregenerate-on-ray", PREGENERATE_ON_RAY_HELP
    )

    from data_collection.collect import pregenerate_on_ray

    pregenerate_on_ray(settings)


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "audit": run_audit_command,
    "verify": run_verify_command,
    "regenerate": run_regenerate_command,
    "remove": run_remove_command,
    "correct": run_correct_command,
    "pregenerate": run_pregenerate_command,
    "pregenerate-on-ray": run_pregenerate_on_ray_command,
    "upload": run_upload_command,
    "download": run_download_command,
}


def main() -> int | None:
    return sub_commands.run_sub_command(
        "data_collection", COMMANDS, run_collect_command, sys.argv[1:]
    )


if __name__ == "__main__":
    console.run_command(main)
