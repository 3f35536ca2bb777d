"""`python -m detection PATH...`: say of pictures whether they look generated; `web`, `export`, `publish` hand it on."""

import sys
from collections.abc import Callable

import tyro

from data_collection import console
from detection.settings import DetectionSettings

DETECT_HELP = f"""{DetectionSettings.__doc__}
More commands: `python -m detection web` opens a page, `export` writes the detector for other runtimes, `publish` puts it \
on the Hugging Face Hub. A file of such a name is ./web."""


def detect_command(words: list[str]) -> int:
    settings = tyro.cli(DetectionSettings, prog="python -m detection", description=DETECT_HELP, args=words)

    from detection.detect import detect

    return detect(settings)


def web_command(words: list[str]) -> None:
    from detection.web_settings import WebSettings

    settings = tyro.cli(WebSettings, prog="python -m detection web", args=words)

    from detection.web import web

    web(settings)


def export_command(words: list[str]) -> None:
    from detection.export_settings import ExportSettings

    settings = tyro.cli(ExportSettings, prog="python -m detection export", args=words)

    from detection.export import export

    export(settings)


def publish_command(words: list[str]) -> None:
    from detection.publish_settings import PublishSettings

    settings = tyro.cli(PublishSettings, prog="python -m detection publish", args=words)

    from detection.publish import publish

    publish(settings)


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "web": web_command,
    "export": export_command,
    "publish": publish_command,
}


def main() -> int | None:
    first, *rest = sys.argv[1:] or [""]
    return COMMANDS[first](rest) if first in COMMANDS else detect_command(sys.argv[1:])


if __name__ == "__main__":
    console.run(main)
