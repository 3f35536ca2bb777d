"""Names of the commands: `telltale train` and `python -m training` run the same code."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command of `telltale`.

    Attributes:
        module: the module and sub-command that it runs.
        summary: for lists of commands.
    """

    module: str
    summary: str


COMMAND_SECTIONS = {
    "Data sets": {
        "collect": Command("data_collection", "collect photographs and generated faces"),
        "audit": Command(
            "data_collection audit", "test whether anything but the face gives the label away"
        ),
        "verify": Command("data_collection verify", "check that no file of a data set has changed"),
        "regenerate": Command("data_collection regenerate", "generate one image again"),
        "remove": Command("data_collection remove", "remove a source from a data set"),
        "correct": Command(
            "data_collection correct", "drop or relabel an image of a data set, history kept"
        ),
        "pregenerate": Command(
            "data_collection pregenerate", "generate on several GPUs before a collection"
        ),
        "pregenerate-on-ray": Command(
            "data_collection pregenerate-on-ray", "the same on a Ray cluster"
        ),
        "upload": Command("data_collection upload", "copy a data set to an object store"),
        "download": Command("data_collection download", "copy a data set from an object store"),
    },
    "Detectors": {
        "train": Command("training", "search heads on pretrained bases and save a detector"),
        "finetune": Command("finetuning", "search how deep to fine-tune a detector"),
        "validate": Command("validation", "test a detector on the hold-out, write the report"),
        "cross-generator": Command(
            "validation cross-generator", "train on one generator, test on every other"
        ),
        "leave-source-out": Command(
            "validation leave-source-out", "train without each source, test on it"
        ),
    },
    "Images": {
        "detect": Command("detection", "judge images"),
        "web": Command("detection web", "judge images on a page"),
        "models": Command("detection models", "list the detectors, say which one answers"),
        "models use": Command("detection models use", "choose which detector answers"),
        "calibrate": Command("detection calibrate", "set the cut with photographs of your own"),
        "feedback": Command(
            "detection feedback", "keep pictures that were judged wrongly, for every report"
        ),
        "export": Command("detection export", "write the detector for other runtimes"),
        "publish": Command("detection publish", "upload the detector to the Hugging Face Hub"),
    },
    "This machine": {
        "doctor": Command("telltale doctor", "show what is installed, fetched and free"),
    },
}
"""The commands of `telltale`, by section and name."""

MODULE_COMMANDS = {
    name: command.module
    for section in COMMAND_SECTIONS.values()
    for name, command in section.items()
}
"""Module and sub-command that each command of `telltale` runs."""

_SHORT_NAMES = {module: name for name, module in MODULE_COMMANDS.items()}
_MODULE_COMMAND = re.compile(
    "python -m ("
    + "|".join(sorted(map(re.escape, _SHORT_NAMES), key=len, reverse=True))
    + r")(?!\w|\.\w)"
)

_shown_as_telltale = False


def show_as_telltale() -> None:
    """Write `telltale train` for `python -m training`, and so on, in all that is printed."""
    global _shown_as_telltale
    _shown_as_telltale = True


def translate_commands(text: str) -> str:
    """Return a text with its commands named as the user has called this one."""
    if not _shown_as_telltale:
        return text
    return _MODULE_COMMAND.sub(lambda match: f"telltale {_SHORT_NAMES[match[1]]}", text)


def list_sub_commands(command: str) -> dict[str, str]:
    """Return the summaries of a command's sub-commands, by name.

    Args:
        command: a module and sub-command, such as "detection".
    """
    commands = [item for section in COMMAND_SECTIONS.values() for item in section.items()]
    typed = {
        (f"telltale {name}" if _shown_as_telltale else f"python -m {command.module}"): command
        for name, command in commands
    }
    start = translate_commands(f"python -m {command}") + " "
    return {
        name.removeprefix(start): command.summary
        for name, command in typed.items()
        if name.startswith(start)
    }
