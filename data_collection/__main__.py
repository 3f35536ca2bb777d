"""`python -m data_collection`: gather real and generated faces into one data set; further commands
help."""

import sys
from collections.abc import Callable

import tyro

from data_collection.command_settings import (
    AuditSettings,
    DownloadSettings,
    RegenerateSettings,
    UploadSettings,
    VerifySettings,
)
from data_collection.settings import CollectionSettings
from runtime import console

COLLECT_HELP = f"""{CollectionSettings.__doc__}
More commands: `python -m data_collection audit DATASET` looks for anything but the face that gives \
the label away; `python -m data_collection verify DATASET` looks whether every file is what was collected; `python -m \
data_collection redraw DATASET FILE` draws one image again; `torchrun --nproc-per-node 2 -m data_collection draw`, with the \
options of the run, lets each of two GPUs draw its share for the next run to take in, and `python -m data_collection \
draw-on-ray` those of a cluster; `push` and `pull` carry a data set to a bucket and back."""

PREGENERATE_HELP = """Draws faces of `stable-diffusion` sources ahead of a collection, on several GPUs: one process for each, \
started by torchrun or `accelerate launch`. Give the options of the collection; run that afterwards, and it takes the \
pictures in."""


PREGENERATE_ON_RAY_HELP = """\
Draws faces of `stable-diffusion` sources ahead of a collection, on the Ray cluster that RAY_ADDRESS \
names, or on this machine's. Give the options of the collection; run that afterwards, and it takes the pictures in."""


def run_collect_command(words: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse_collection_settings(words, about=COLLECT_HELP)

    from data_collection.collect import collect_dataset

    collect_dataset(settings)


def run_audit_command(words: list[str]) -> int:
    settings = tyro.cli(AuditSettings, prog="python -m data_collection audit", args=words)

    from data_collection.audit_dataset import audit_dataset

    return (
        console.EXIT_SHORTCUT
        if audit_dataset(settings.dataset, settings.logs, settings.seed).verdict == "RED"
        else 0
    )


def run_verify_command(words: list[str]) -> int:
    settings = tyro.cli(VerifySettings, prog="python -m data_collection verify", args=words)

    from data_collection.dataset.verification import verify_dataset

    return 0 if verify_dataset(settings.dataset) else console.EXIT_DISK


def run_regenerate_command(words: list[str]) -> None:
    settings = tyro.cli(RegenerateSettings, prog="python -m data_collection redraw", args=words)

    from data_collection.regenerate import regenerate_image

    regenerate_image(settings.dataset, settings.file, settings.out)


def run_upload_command(words: list[str]) -> None:
    settings = tyro.cli(UploadSettings, prog="python -m data_collection push", args=words)

    from data_collection.dataset.transfer import upload_dataset

    upload_dataset(settings.dataset, settings.url)


def run_download_command(words: list[str]) -> None:
    settings = tyro.cli(DownloadSettings, prog="python -m data_collection pull", args=words)

    from data_collection.dataset.transfer import download_dataset

    download_dataset(settings.url, settings.dataset)


def run_pregenerate_command(words: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse_collection_settings(words, "data_collection draw", PREGENERATE_HELP)

    from data_collection.collect import pregenerate

    pregenerate(settings)


def run_pregenerate_on_ray_command(words: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse_collection_settings(
        words, "data_collection draw-on-ray", PREGENERATE_ON_RAY_HELP
    )

    from data_collection.collect import pregenerate_on_ray

    pregenerate_on_ray(settings)


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "audit": run_audit_command,
    "verify": run_verify_command,
    "redraw": run_regenerate_command,
    "draw": run_pregenerate_command,
    "draw-on-ray": run_pregenerate_on_ray_command,
    "push": run_upload_command,
    "pull": run_download_command,
}


def main() -> int | None:
    first, *rest = sys.argv[1:] or [""]
    return COMMANDS[first](rest) if first in COMMANDS else run_collect_command(sys.argv[1:])


if __name__ == "__main__":
    console.run_command(main)
