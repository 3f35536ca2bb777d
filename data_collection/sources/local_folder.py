"""List the files of a local folder as candidates."""

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from data_collection.dataset.manifest import ImageClass
from data_collection.images import decode
from data_collection.source_types import CandidateFace, UnavailableImage

IGNORED_FILE_NAMES = ("__MACOSX", "Thumbs.db", "desktop.ini")


def list_folder_candidates(path: Path, label: ImageClass, source: str) -> list[CandidateFace]:
    """List every file under a folder, in a fixed order; skip hidden files, do not follow links."""
    whole = Path(os.path.abspath(path))
    return [
        CandidateFace(
            label=label,
            source=source,
            file=file.relative_to(path).as_posix(),
            path=(whole / file.relative_to(path)).as_posix(),
            load=functools.partial(_read_regular_file, file),
        )
        for file in _iterate_visible_files(path)
    ]


def _iterate_visible_files(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(filter(_is_visible, folders))
        # os.walk does not enter links to folders; list them, so that they become rejected rows.
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in sorted(filter(_is_visible, files + links)):
            yield Path(folder, name)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name not in IGNORED_FILE_NAMES


def _read_regular_file(file: Path) -> bytes:
    state = file.lstat()
    if stat.S_ISLNK(state.st_mode):
        raise UnavailableImage("symbolic link, not followed")
    if not stat.S_ISREG(state.st_mode):
        raise UnavailableImage("not a regular file")
    if state.st_size > decode.MAX_IMAGE_BYTES:
        raise UnavailableImage(f"larger than {decode.MAX_IMAGE_BYTES // 1_000_000} MB")
    return file.read_bytes()
