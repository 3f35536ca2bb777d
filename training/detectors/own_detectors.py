"""Remember which detectors were trained in a folder of saved ones.

A detector's own folder may be a stranger's: its card, dates and report say whatever he wrote. So
the mark of a training lies beside these folders, named by the hash of the card, which has those of
the model files; a renamed detector keeps it.
"""

from pathlib import Path

from runtime import hashing
from training.detectors.card import CARD_FILE

MARKS_FOLDER = ".trained-here"


def mark_as_trained_here(folder: Path) -> None:
    """Note that the detector in this folder was trained here; its card must be complete."""
    mark = _locate_mark(folder)
    mark.parent.mkdir(exist_ok=True)
    mark.touch()


def was_trained_here(folder: Path) -> bool:
    """Return whether a training has saved the detector in this folder, card and all."""
    return _locate_mark(folder).is_file()


def _locate_mark(folder: Path) -> Path:
    return folder.parent / MARKS_FOLDER / hashing.hash_file(folder / CARD_FILE)
