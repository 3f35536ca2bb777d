"""List the files of a local folder, in one order and by one rule for collection, validation and
detection, and read them as candidates."""

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from data_collection.dataset.manifest import ImageClass
from data_collection.images import decode
from data_collection.images.containers import other_files
from data_collection.source_types import CandidateFace, UnavailableImage

IGNORED_FILE_NAMES = ("__MACOSX", "Thumbs.db", "desktop.ini")

HEAT_MAP_SUFFIX = ".heatmap.png"
"""Suffix of the heat maps that detection writes beside images; they are no images of a folder."""

TOO_LARGE_MESSAGE = f"larger than {decode.MAX_IMAGE_BYTES // 1_000_000} MB"


def list_folder_candidates(path: Path, label: ImageClass, source: str) -> list[CandidateFace]:
    """List every file under a folder as `iterate_folder_files` does."""
    whole = Path(os.path.abspath(path))
    return [
        CandidateFace(
            label=label,
            source=source,
            file=file.relative_to(path).as_posix(),
            path=(whole / file.relative_to(path)).as_posix(),
            load=functools.partial(read_regular_file, file),
        )
        for file in iterate_folder_files(path)
    ]


def iterate_folder_files(folder: Path) -> Iterator[Path]:
    """Yield every file under a folder, in a fixed order, whatever its name or kind.

    Left out are hidden files, those of operating systems, and heat maps. Links, links to folders
    and folders that cannot be read are yielded, too: `read_regular_file` says why they are not
    read, so that nothing is passed over in silence.
    """
    unreadable: list[str] = []
    for current, folders, files in os.walk(
        folder, onerror=lambda error: unreadable.append(error.filename)
    ):
        folders[:] = sorted(filter(_is_visible, folders))
        # os.walk does not enter links to folders
        links = [name for name in folders if os.path.islink(os.path.join(current, name))]
        for name in sorted(filter(_is_visible, files + links)):
            path = Path(current, name)
            if not is_heat_map(path):
                yield path
    yield from map(Path, unreadable)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name not in IGNORED_FILE_NAMES


def is_heat_map(path: Path) -> bool:
    """Return whether detection wrote this file: its image stands beside it."""
    name = path.name
    return name.endswith(HEAT_MAP_SUFFIX) and os.path.lexists(
        path.with_name(name.removesuffix(HEAT_MAP_SUFFIX))
    )


def read_regular_file(file: Path, follow_links: bool = False) -> bytes:
    """Read a file of a folder.

    Args:
        follow_links: whether a link is read, as of a file that somebody named. In a folder it may
            lead outside, in circles, or to an image that is there already.

    Raises:
        UnavailableImage: it is a link, of another kind than a file, or too large.
        OSError: it cannot be read.
    """
    state = file.stat() if follow_links else file.lstat()
    if stat.S_ISLNK(state.st_mode):
        raise UnavailableImage("symbolic link, not followed")
    if stat.S_ISDIR(state.st_mode):
        raise UnavailableImage("this folder cannot be read")
    if not stat.S_ISREG(state.st_mode):
        raise UnavailableImage("not a regular file")
    if state.st_size > decode.MAX_IMAGE_BYTES:
        raise UnavailableImage(other_files.explain_other_path(file) or TOO_LARGE_MESSAGE)
    return file.read_bytes()
