"""Say what a file is that is given in the place of an image or a folder: an archive or a video."""

from pathlib import Path

from data_collection.images.containers import archives, videos
from runtime import console

HEAD_BYTES = 1024
"""First bytes of a file that tell what it is; a GIF says after its colours whether it moves."""


def explain_other_file(head: bytes) -> str:
    """Return what a file with these first bytes is, and what to do; "" if it is neither an archive
    nor a video."""
    head = head[:HEAD_BYTES]
    return archives.explain_archive(head) or videos.explain_video(head)


def explain_other_path(path: Path) -> str:
    """Return as `explain_other_file` does for a file; "" also for what is no readable file."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return explain_other_file(file.read(HEAD_BYTES))
    except OSError:
        return ""


def refuse_other_path(path: Path) -> None:
    """Refuse an archive or a video that was given in the place of a folder.

    Raises:
        PlainError: it is one.
    """
    if reason := explain_other_path(path):
        raise console.PlainError(f"{path} is {reason}.")
