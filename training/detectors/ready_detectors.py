"""Find the detectors that come with Telltale, in the repository's own saved_models folder."""

from pathlib import Path

from runtime.commands import workspace
from training.detectors.card import CARD_FILE

READY_DETECTORS = ("telltale-faces", "telltale-faces-clip")
"""Their names; the first answers where nobody has a detector of their own."""

READY_FOLDER = Path(__file__).resolve().parents[2] / "saved_models"
"""Beside the code, wherever the user's own detectors are saved."""


def find_ready_detectors() -> list[Path]:
    """Return the folders of the ready detectors that are there, in the order of the table."""
    folders = (READY_FOLDER / name for name in READY_DETECTORS)
    return [folder for folder in folders if (folder / CARD_FILE).is_file()]


def find_writable_folder(folder: Path) -> Path:
    """Return where what is made for a detector is written: its own folder, or for a ready detector
    the folder of its name among the user's detectors. In a clone both are one folder."""
    return workspace.SAVED_MODELS_FOLDER / folder.name if is_ready_detector(folder) else folder


def is_ready_detector(folder: Path) -> bool:
    """Return whether a detector's folder is that of a ready one, by whichever path."""
    return folder.resolve() in {ready.resolve() for ready in find_ready_detectors()}
