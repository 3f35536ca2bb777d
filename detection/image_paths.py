"""Find the images to judge: named files, and the images in folders and patterns."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_collection.sources.local_folder import IGNORED_FILE_NAMES

IMAGE_SUFFIXES = {
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
    ".gif",
    ".heic",
    ".heif",
    ".avif",
    ".jxl",
    ".jp2",
}
"""Suffixes of images. In a folder, other files are skipped silently; these are judged, or reported
with the reason why not."""

HEAT_MAP_SUFFIX = ".heatmap.png"
"""Suffix of the heat maps that --explain writes; they are not judged."""

STDIN_PATH = "-"


def find_image_paths(arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the path of every image; only the names of one folder are in memory at a time.

    Named files are yielded as given. In a folder, images are chosen by suffix and sorted; hidden
    files, links and heat maps are skipped. An argument with *, ? or [ that is not the name of a
    file is a pattern; ** matches nested folders.
    """
    for argument in arguments:
        if os.path.isdir(argument):
            yield from _find_in_folder(argument)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            yield from _find_by_pattern(argument)
        elif not _is_heat_map(argument):
            yield Path(argument)


def _find_in_folder(folder: str) -> Iterator[Path]:
    unreadable: list[str] = []
    for current, folders, files in os.walk(
        folder, onerror=lambda error: unreadable.append(error.filename)
    ):
        folders[:] = sorted(name for name in folders if not _is_ignored(name))
        for name in sorted(files):
            if _is_image(name) and not os.path.islink(os.path.join(current, name)):
                yield Path(current, name)
    yield from map(Path, unreadable)  # their answer is an error


def _find_by_pattern(pattern: str) -> Iterator[Path]:
    matches = glob.glob(pattern, recursive=True)
    if not matches:
        yield Path(pattern)
    for name in sorted(matches):
        if os.path.isfile(name) and _is_image(name):
            yield Path(name)


def _is_image(name: str) -> bool:
    return (
        Path(name).suffix.lower() in IMAGE_SUFFIXES
        and not _is_ignored(Path(name).name)
        and not name.endswith(HEAT_MAP_SUFFIX)
    )


def _is_heat_map(name: str) -> bool:
    """Return whether --explain wrote the file: its image stands beside it."""
    return name.endswith(HEAT_MAP_SUFFIX) and os.path.exists(name.removesuffix(HEAT_MAP_SUFFIX))


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name in IGNORED_FILE_NAMES
