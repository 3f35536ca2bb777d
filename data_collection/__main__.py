"""`python -m data_collection`: gather real and generated faces into one data set; further commands help."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_collection import console, options
from data_collection.settings import CollectionSettings

COLLECT_HELP = f"""{CollectionSettings.__doc__}
More commands: `python -m data_collection audit DATASET` looks for anything but the face that gives \
the label away; `python -m data_collection verify DATASET` looks whether every file is what was collected; `python -m \
data_collection redraw DATASET FILE` draws one image again; `torchrun --nproc-per-node 2 -m data_collection draw`, with the \
options of the run, lets each of two GPUs draw its share for the next run to take in, and `python -m data_collection \
draw-on-ray` those of a cluster; `push` and `pull` carry a data set to a bucket and back."""

DRAW_HELP = """Draws faces of `stable-diffusion` sources ahead of a collection, on several GPUs: one process for each, \
started by torchrun or `accelerate launch`. Give the options of the collection; run that afterwards, and it takes the \
pictures in."""


DRAW_ON_RAY_HELP = """Draws faces of `stable-diffusion` sources ahead of a collection, on the Ray cluster that RAY_ADDRESS \
names, or on this machine's. Give the options of the collection; run that afterwards, and it takes the pictures in."""


@dataclass(frozen=True)
class AuditSettings:
    """Audits a data set again: does anything but the face give the label away? Exit code 4 if something does (RED)."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""

    logs: Path = Path("logs")
    """Folder of TensorBoard's logs."""

    seed: int = 0
    """Of the cross-validation and the bootstrap."""

    def __post_init__(self) -> None:
        options.within(self, seed=(0, 2**31 - 1))


@dataclass(frozen=True)
class VerifySettings:
    """Reads every file of a data set: is it what it was when it was collected? Lists what is not; exit code 6 then."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""


@dataclass(frozen=True)
class PushSettings:
    """Copies a data set, with the features of frozen bases, to an object store; what is there already is not copied again."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""

    url: Annotated[str, tyro.conf.Positional]
    """Where to, such as s3://bucket/faces (`pip install -r requirements-s3.txt`)."""


@dataclass(frozen=True)
class PullSettings:
    """Copies a data set from an object store; what is here already is not copied again."""

    url: Annotated[str, tyro.conf.Positional]
    """Where from, such as s3://bucket/faces (`pip install -r requirements-s3.txt`)."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""


@dataclass(frozen=True)
class RedrawSettings:
    """Draws one image again, alone, from its row in the manifest."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""

    file: Annotated[str, tyro.conf.Positional]
    """The image's `file` in manifest.jsonl, or the beginning of its `id`."""

    out: Path = Path("redrawn.png")
    """Where the picture is written."""


def collect_command(words: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse(words, about=COLLECT_HELP)

    from data_collection.collect import collect

    collect(settings)


def audit_command(words: list[str]) -> int:
    settings = tyro.cli(AuditSettings, prog="python -m data_collection audit", args=words)

    from data_collection.inspection import inspect

    return console.SHORTCUT if inspect(settings.dataset, settings.logs, settings.seed).verdict == "RED" else 0


def verify_command(words: list[str]) -> int:
    settings = tyro.cli(VerifySettings, prog="python -m data_collection verify", args=words)

    from data_collection.verification import verify

    return 0 if verify(settings.dataset) else console.DISK


def redraw_command(words: list[str]) -> None:
    settings = tyro.cli(RedrawSettings, prog="python -m data_collection redraw", args=words)

    from data_collection.redraw import redraw

    redraw(settings.dataset, settings.file, settings.out)


def push_command(words: list[str]) -> None:
    settings = tyro.cli(PushSettings, prog="python -m data_collection push", args=words)

    from data_collection.carried import push

    push(settings.dataset, settings.url)


def pull_command(words: list[str]) -> None:
    settings = tyro.cli(PullSettings, prog="python -m data_collection pull", args=words)

    from data_collection.carried import pull

    pull(settings.url, settings.dataset)


def draw_command(words: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse(words, "data_collection draw", DRAW_HELP)

    from data_collection.collect import draw

    draw(settings)


def draw_on_ray_command(words: list[str]) -> None:
    from data_collection import recipes

    settings = recipes.parse(words, "data_collection draw-on-ray", DRAW_ON_RAY_HELP)

    from data_collection.collect import draw_on_ray

    draw_on_ray(settings)


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "audit": audit_command,
    "verify": verify_command,
    "redraw": redraw_command,
    "draw": draw_command,
    "draw-on-ray": draw_on_ray_command,
    "push": push_command,
    "pull": pull_command,
}


def main() -> int | None:
    first, *rest = sys.argv[1:] or [""]
    return COMMANDS[first](rest) if first in COMMANDS else collect_command(sys.argv[1:])


if __name__ == "__main__":
    console.run(main)
