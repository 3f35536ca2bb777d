"""Find the files that a path means, whichever of the folders above them it begins with."""

import bisect
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class IndexedFile:
    """A file of an index.

    Attributes:
        whole: its path with the folders above the source's folder; tells files apart.
        below: its path below the source's folder.
    """

    whole: str
    below: str


@dataclass(frozen=True)
class PathMatches:
    """The files that a path means.

    Attributes:
        files: their indices, without a second entry of the same file.
        length: number of parts at the end that path and file share, 0 if there is no file.
        complete: whether these are all parts of the path, so that it can mean no other file.
    """

    files: tuple[int, ...]
    length: int
    complete: bool


class PathIndex:
    """Files by the ends of their paths.

    NFC and NFD are alike, as are slashes and backslashes: macOS stores names in NFD, and CSV files
    of Windows hold backslashes.
    """

    def __init__(self, files: Sequence[IndexedFile]) -> None:
        self._files = files
        self._whole = [split_path(file.whole) for file in files]
        below = [split_path(file.below) for file in files]
        self._by_below: dict[tuple[str, ...], list[int]] = {}
        for index, parts in enumerate(below):
            self._by_below.setdefault(parts, []).append(index)
        keys = sorted((_make_key(parts), index) for index, parts in enumerate(below))
        self._keys, self._order = [key for key, _ in keys], [index for _, index in keys]

    def find(self, path: str) -> PathMatches:
        """Return the files that share the longest end with a path.

        Path or file must be used up: the path ends the file's path below its folder, or that ends
        the path. `a/1.jpg` is never `b/1.jpg` below a folder that holds both.
        """
        parts = split_path(path)
        if not parts:
            return PathMatches((), 0, complete=False)
        found = set(self._list_ending_with(parts))
        for length in range(1, len(parts)):
            found.update(self._by_below.get(parts[:length], ()))
        lengths = {index: _count_shared(parts, self._whole[index]) for index in found}
        longest = max(lengths.values(), default=0)
        first_by_path: dict[str, int] = {}
        for index in sorted(index for index in found if lengths[index] == longest):
            first_by_path.setdefault(self._files[index].whole, index)
        return PathMatches(tuple(first_by_path.values()), longest, longest == len(parts))

    def _list_ending_with(self, parts: tuple[str, ...]) -> list[int]:
        key = _make_key(parts)
        start = bisect.bisect_left(self._keys, key)
        # "0" is the character after the slash that ends every key.
        stop = bisect.bisect_left(self._keys, f"{key[:-1]}0")
        return self._order[start:stop]


def split_path(path: str) -> tuple[str, ...]:
    """Return the parts of a path, the file's name first."""
    parts = unicodedata.normalize("NFC", path).replace("\\", "/").split("/")
    return tuple(part for part in reversed(parts) if part not in ("", ".", ".."))


def _make_key(parts: tuple[str, ...]) -> str:
    return "/".join(parts) + "/"


def _count_shared(parts: tuple[str, ...], others: tuple[str, ...]) -> int:
    count = 0
    for part, other in zip(parts, others, strict=False):
        if part != other:
            break
        count += 1
    return count
