"""Keep what a run with `--html` has done beside its report, until the report is written."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detection.html_report.thumbnails import ThumbnailFile
from runtime import atomic_files

FOLDER_SUFFIX = ".unfinished"
THUMBNAILS_FILE, PAGE_FILE, LOCK_FILE = "thumbnails.txt", "page.html", ".lock"


def name_unfinished_folder(report: Path) -> Path:
    """Return the folder of a run whose report is not written yet."""
    return report.with_name(report.name + FOLDER_SUFFIX)


@dataclass(frozen=True)
class UnfinishedRun:
    """The folder of a run, and the thumbnails in it."""

    folder: Path
    thumbnails: ThumbnailFile

    @property
    def page(self) -> Path:
        """Place of the page while it is being written."""
        return self.folder / PAGE_FILE

    def place_answers(self, key: str) -> Path:
        """Return the file of the answers that one detector has given."""
        return self.folder / f"answers-{key}.jsonl"


@contextlib.contextmanager
def open_unfinished_run(report: Path) -> Iterator[UnfinishedRun]:
    """Open the folder of a run, and go on with what an interrupted one has left in it; it is
    removed if the block ends without an error.

    Raises:
        PlainError: another run is writing the same report.
    """
    folder = name_unfinished_folder(report)
    with (
        atomic_files.lock_folder(folder),
        contextlib.closing(ThumbnailFile(folder / THUMBNAILS_FILE)) as thumbnails,
    ):
        yield UnfinishedRun(folder, thumbnails)
    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove the files of a run, and the folder unless somebody else has put something into it."""
    files = [folder / name for name in (THUMBNAILS_FILE, PAGE_FILE, LOCK_FILE)]
    with contextlib.suppress(OSError):
        for path in (*files, *folder.glob("answers-*.jsonl*")):
            path.unlink(missing_ok=True)
        folder.rmdir()
