"""Faces as a source offers them, before anything is decided: a name, what is known of it, and a way to get its bytes."""

import csv
import difflib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection import console, face_images


class NotAFile(Exception):
    """The source names something that holds no bytes of its own; the message is the reason, in words."""


@dataclass(frozen=True)
class FoundFace:
    """One offered image; the attributes are those of `manifest.FaceRecord`.

    Attributes:
        load: returns the original bytes; raises NotAFile or OSError when there are none.
        lasting: whether `file` always means the same bytes, so that a known one need not be loaded again.
    """

    label: str
    source: str
    file: str
    load: Callable[[], bytes]
    lasting: bool = False
    person: str = ""
    prompt: str = ""
    seed: int | None = None
    generator: str = ""
    source_image: str = ""


JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
KNOWN_FACTS = ("person", "prompt", "seed", "generator", "source_image")


def in_folder(path: Path, label: str, source: str, facts: Mapping[str, Mapping[str, object]]) -> list[FoundFace]:
    """Every file under a folder, in a fixed order; hidden files are passed over, links are not followed.

    A photograph has no prompt, seed or generator: of a CSV's facts only its person counts.

    Raises:
        PlainError: the folder does not exist.
    """
    if not path.is_dir():
        raise console.PlainError(f"{path} is not a folder{_nearest(path)}; give a folder of images.")
    allowed = KNOWN_FACTS if label == "generated" else ("person",)
    return [
        FoundFace(
            label,
            source,
            file.relative_to(path).as_posix(),
            lambda file=file: _read(file),
            **{name: fact for name, fact in facts.get(file.name, {}).items() if name in allowed},
        )
        for file in _walk(path)
    ]


def _nearest(path: Path) -> str:
    names = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {path.parent / close[0]}?)" if close else ""


def _walk(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in JUNK)
        for name in sorted(files):
            if not name.startswith(".") and name not in JUNK:
                yield Path(folder, name)


def _read(file: Path) -> bytes:
    state = file.lstat()
    if stat.S_ISLNK(state.st_mode):
        raise NotAFile("symbolic link, not followed")
    if not stat.S_ISREG(state.st_mode):
        raise NotAFile("not a regular file")
    if state.st_size > face_images.MAX_BYTES:
        raise NotAFile(f"larger than {face_images.MAX_BYTES // 1_000_000} MB")
    return file.read_bytes()


def read_facts(paths: Sequence[Path]) -> dict[str, dict[str, object]]:
    """Reads CSV files with a `file` column and any of KNOWN_FACTS; returns the facts by file name.

    Raises:
        PlainError: a file is missing, or lacks the columns.
    """
    facts: dict[str, dict[str, object]] = {}
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                known = [name for name in KNOWN_FACTS if name in (rows.fieldnames or ())]
                if "file" not in (rows.fieldnames or ()) or not known:
                    raise console.PlainError(
                        f"{path} has the columns {', '.join(rows.fieldnames or ()) or '(none)'}; it needs `file` and at "
                        f"least one of {', '.join(KNOWN_FACTS)}."
                    )
                for row in rows:
                    if row["file"]:
                        facts[Path(row["file"]).name] = {name: _fact(name, row[name], path) for name in known if row[name]}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise console.PlainError(f"Cannot read {path}: {error}; give a CSV file in UTF-8.") from None
    return facts


def _fact(name: str, text: str, path: Path) -> object:
    if name != "seed":
        return text.strip()
    try:
        return int(text)
    except ValueError:
        raise console.PlainError(f"{path} gives the seed {text!r}; seeds are whole numbers.") from None
