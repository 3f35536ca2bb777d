"""Names of the commands: `telltale train` and `python -m training` run the same code."""

import re

MODULE_COMMANDS = {
    "collect": "data_collection",
    "audit": "data_collection audit",
    "verify": "data_collection verify",
    "regenerate": "data_collection regenerate",
    "remove": "data_collection remove",
    "pregenerate": "data_collection pregenerate",
    "pregenerate-on-ray": "data_collection pregenerate-on-ray",
    "upload": "data_collection upload",
    "download": "data_collection download",
    "train": "training",
    "finetune": "finetuning",
    "validate": "validation",
    "cross-generator": "validation cross-generator",
    "leave-source-out": "validation leave-source-out",
    "detect": "detection",
    "calibrate": "detection calibrate",
    "web": "detection web",
    "models": "detection models",
    "export": "detection export",
    "publish": "detection publish",
}
"""Module and sub-command that each sub-command of `telltale` runs."""

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
