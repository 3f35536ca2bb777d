"""Which files are looked at: files as they are named, and pictures in folders and patterns."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_collection.sources.local_folder import IGNORED_FILE_NAMES

IMAGE_SUFFIXES = {
    *(
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".pgm",
        ".ppm",
        ".pnm",
    ),
    *(".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2"),
}
"""In a folder, other files are passed over in silence; these are either judged or named with the
reason why not."""

HEAT_MAP_SUFFIX = ".heatmap.png"
"""How the files end that --explain writes; they are no pictures to judge."""

STDIN_PATH = "-"


def find_image_paths(words: Sequence[str]) -> Iterator[Path]:
    """Every image, one after the other; no more is held than the names in one folder.

    Files come as they are named; a folder's pictures are chosen by suffix and sorted, hidden files,
    links and our own heat maps passed over; a pattern with *, ? or [ that is no file's name stands
    for what it matches, ** for folders in folders.
    """
    for word in words:
        if os.path.isdir(word):
            yield from _find_in_folder(word)
        elif glob.has_magic(word) and not os.path.lexists(word):
            yield from _find_by_pattern(word)
        elif not _is_heat_map(word):
            yield Path(word)


def _find_in_folder(folder: str) -> Iterator[Path]:
    closed: list[str] = []
    for here, folders, files in os.walk(
        folder, onerror=lambda error: closed.append(error.filename)
    ):
        folders[:] = sorted(name for name in folders if not _is_ignored(name))
        for name in sorted(files):
            if _is_image(name) and not os.path.islink(os.path.join(here, name)):
                yield Path(here, name)
    yield from map(Path, closed)  # which have no answer but why not


def _find_by_pattern(pattern: str) -> Iterator[Path]:
    found = glob.glob(pattern, recursive=True)
    if not found:
        yield Path(pattern)
    for name in sorted(found):
        if os.path.isfile(name) and _is_image(name):
            yield Path(name)


def _is_image(name: str) -> bool:
    return (
        Path(name).suffix.lower() in IMAGE_SUFFIXES
        and not _is_ignored(Path(name).name)
        and not name.endswith(HEAT_MAP_SUFFIX)
    )


def _is_heat_map(name: str) -> bool:
    """Whether --explain wrote it, beside its picture."""
    return name.endswith(HEAT_MAP_SUFFIX) and os.path.exists(name.removesuffix(HEAT_MAP_SUFFIX))


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in IGNORED_FILE_NAMES
