"""Command line of detection: judge images, or run `web`, `models` and other commands."""

import inspect
import sys
from collections.abc import Callable

from detection.settings import DetectionSettings
from runtime import console
from runtime.commands import parsing

DETECT_HELP = f"""{inspect.cleandoc(DetectionSettings.__doc__)}

More commands: `python -m detection web` opens a page, `models` lists the detectors and says which
one answers, `calibrate` sets the cut with photographs of yours, `export` writes the detector for
other runtimes, `publish` uploads it to the Hugging Face Hub. Write ./web for a file called web."""


def run_detect_command(arguments: list[str]) -> int:
    settings = parsing.parse_settings(DetectionSettings, "detection", arguments, DETECT_HELP)

    from detection.detect import detect

    return detect(settings)


def run_web_command(arguments: list[str]) -> None:
    from detection.web.settings import WebSettings

    settings = parsing.parse_settings(WebSettings, "detection web", arguments)

    from detection.web.server import serve_page

    serve_page(settings)


def run_models_command(arguments: list[str]) -> None:
    from detection.models.settings import ModelsSettings, UseSettings

    if arguments[:1] == ["use"]:
        choice = parsing.parse_settings(UseSettings, "detection models use", arguments[1:])

        from detection.models.models import use_detector

        return use_detector(choice)
    settings = parsing.parse_settings(ModelsSettings, "detection models", arguments)

    from detection.models.models import list_detectors

    list_detectors(settings)


def run_calibrate_command(arguments: list[str]) -> int:
    from detection.calibrate.settings import CalibrateSettings

    settings = parsing.parse_settings(CalibrateSettings, "detection calibrate", arguments)

    from detection.calibrate.calibrate import calibrate_with_photographs

    return calibrate_with_photographs(settings)


def run_export_command(arguments: list[str]) -> None:
    from detection.export.settings import ExportSettings

    settings = parsing.parse_settings(ExportSettings, "detection export", arguments)

    from detection.export.export import export_detector

    export_detector(settings)


def run_publish_command(arguments: list[str]) -> None:
    from detection.publish.settings import PublishSettings

    settings = parsing.parse_settings(PublishSettings, "detection publish", arguments)

    from detection.publish.publish import publish_detector

    publish_detector(settings)


COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "web": run_web_command,
    "models": run_models_command,
    "calibrate": run_calibrate_command,
    "export": run_export_command,
    "publish": run_publish_command,
}


def main() -> int | None:
    name, *arguments = sys.argv[1:] or [""]
    return COMMANDS[name](arguments) if name in COMMANDS else run_detect_command(sys.argv[1:])


if __name__ == "__main__":
    console.run_command(main)
