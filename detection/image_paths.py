"""Find the images to judge: named files, and the files in folders and patterns."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.source_types import UnavailableImage
from data_collection.sources import local_folder
from data_collection.sources.local_folder import IGNORED_FILE_NAMES

STDIN_PATH = "-"


@dataclass(frozen=True)
class LocatedImage:
    """A file to judge.

    Attributes:
        named: whether somebody named it, or a pattern did; a link is then followed.
    """

    path: Path
    named: bool = True

    def read(self) -> bytes:
        """Return its bytes.

        Raises:
            UnavailableImage: it does not exist, is a link in a folder, of another kind than a
                file, or too large.
            OSError: it cannot be read.
        """
        if self.named and not self.path.is_file():
            raise UnavailableImage(_explain_missing_file(self.path))
        return local_folder.read_regular_file(self.path, follow_links=self.named)


@dataclass(frozen=True)
class ImageListing:
    """How many files there are to judge, and the folder that all lie below; empty if there is
    none, or one file only."""

    total: int
    folder: str = ""

    def shorten(self, path: Path) -> Path:
        """Return a path below the common folder."""
        return path.relative_to(self.folder) if path.is_relative_to(self.folder) else path


def list_images(images: Iterable[LocatedImage]) -> ImageListing:
    """Count files, and find the folder that they share; no paths are kept in memory."""
    total, folder = 0, None
    for image in images:
        total += 1
        parent = str(image.path.parent)
        if folder is None:
            folder = parent
        elif os.path.isabs(folder) != os.path.isabs(parent):
            folder = ""
        else:
            folder = os.path.commonpath([folder, parent])
    return ImageListing(total, folder if total > 1 and folder not in (None, ".") else "")


def find_images(
    arguments: Sequence[str], is_output: Callable[[Path], bool] = lambda path: False
) -> Iterator[LocatedImage]:
    """Yield every file to judge; only the names of one folder are in memory at a time.

    Named files are yielded as given. A folder gives what `local_folder.iterate_folder_files` lists
    of it: collection and validation count the same files. An argument with *, ? or [ that is not
    the name of a file is a pattern; ** matches nested folders.

    Args:
        is_output: whether the command itself writes this file; a folder's is passed over.
    """
    for argument in arguments:
        if os.path.isdir(argument):
            for path in local_folder.iterate_folder_files(Path(argument)):
                if not is_output(path):
                    yield LocatedImage(path, named=False)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            yield from _find_by_pattern(argument)
        elif not local_folder.is_heat_map(Path(argument)):
            yield LocatedImage(Path(argument))


def _find_by_pattern(pattern: str) -> Iterator[LocatedImage]:
    matches = glob.glob(pattern, recursive=True)
    if not matches:
        yield LocatedImage(Path(pattern))
    for name in sorted(matches):
        path = Path(name)
        if not (path.is_dir() or path.name in IGNORED_FILE_NAMES or local_folder.is_heat_map(path)):
            yield LocatedImage(path)


def _explain_missing_file(path: Path) -> str:
    if path.is_dir():
        return "this folder cannot be read"
    return "not a file" if path.exists() else "no such file"
