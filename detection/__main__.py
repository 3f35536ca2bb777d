"""Command line of detection: judge images, or run `web`, `models` and other commands."""

import sys
from collections.abc import Callable

import runtime.commands.interpreter  # noqa: F401  (before all others)
from detection.settings import DetectionSettings
from runtime import console
from runtime.command_lines import parsing, sub_commands


def run_detect_command(arguments: list[str]) -> int:
    settings = parsing.parse_settings(DetectionSettings, "detection", arguments)
    if settings.verify:
        from detection.evidence.verify import verify_evidence

        return verify_evidence(settings)

    from detection.detect import detect

    return detect(settings)


def run_web_command(arguments: list[str]) -> None:
    from detection.web.settings import WebSettings

    settings = parsing.parse_settings(WebSettings, "detection web", arguments)

    from detection.web.server import serve_page

    serve_page(settings)


def run_models_command(arguments: list[str]) -> int | None:
    return sub_commands.run_sub_command(
        "detection models", {"use": run_use_command}, run_list_command, arguments
    )


def run_use_command(arguments: list[str]) -> None:
    from detection.models.settings import UseSettings

    choice = parsing.parse_settings(UseSettings, "detection models use", arguments)

    from detection.models.models import use_detector

    use_detector(choice)


def run_list_command(arguments: list[str]) -> None:
    from detection.models.settings import ModelsSettings

    settings = parsing.parse_settings(ModelsSettings, "detection models", arguments)

    from detection.models.models import list_detectors

    list_detectors(settings)


def run_calibrate_command(arguments: list[str]) -> int:
    from detection.calibrate.settings import CalibrateSettings

    settings = parsing.parse_settings(CalibrateSettings, "detection calibrate", arguments)

    from detection.calibrate.calibrate import calibrate_with_photographs

    return calibrate_with_photographs(settings)


def run_feedback_command(arguments: list[str]) -> int:
    from detection.feedback.settings import FeedbackSettings

    settings = parsing.parse_settings(FeedbackSettings, "detection feedback", arguments)

    from detection.feedback.feedback import give_feedback

    return give_feedback(settings)


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
    "feedback": run_feedback_command,
    "export": run_export_command,
    "publish": run_publish_command,
}


def main() -> int | None:
    return sub_commands.run_sub_command(
        "detection", COMMANDS, run_detect_command, sys.argv[1:], takes_paths=True
    )


if __name__ == "__main__":
    console.run_command(main)
