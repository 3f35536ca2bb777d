"""The commands that README and the other documents show."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from toys.commands import REPOSITORY_ROOT

HISTORIES = ("CHANGELOG.md", "lab-notebook.md")
"""Documents that name commands of the past."""

CODE_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
FENCED_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INDENTED_COMMAND = re.compile(r"^    (?! )(.*(?:\n     +\S.*)*)", re.MULTILINE)
"""A line of an indented block with the deeper lines below it, which continue it."""

SUBSTITUTION = re.compile(r"\$\(.*?\)(?= |$)|<[^>]+>")
END_OF_COMMAND = re.compile(r"\s(?:#|>|\||&&)\s.*|\s#.*", re.DOTALL)
START_OF_COMMAND = re.compile(r"(?:(?:\.venv/bin/)?python3?|torchrun .*?) -m (?=[a-z])|telltale ")


def list_documents() -> list[Path]:
    """Return README and every other document of today's commands."""
    top = [path for path in REPOSITORY_ROOT.glob("*.md") if path.name not in HISTORIES]
    below = [
        path
        for folder in ("docs", "saved_models", "logs")
        for path in (REPOSITORY_ROOT / folder).rglob("*.md")
        if path.name not in HISTORIES
    ]
    return sorted(top) + sorted(below)


def read_commands(path: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield each command of a document, as words from the module or from `telltale` on, and whether
    it stands in a line of its own, which shows all of it."""
    text = path.read_text()
    fenced = [line for block in FENCED_BLOCK.findall(text) for line in block.splitlines()]
    text = FENCED_BLOCK.sub("", text)
    lines = [*INDENTED_COMMAND.findall(text), *fenced]
    for line in lines:
        yield from ((words, True) for words in split_command(line))
    for span in CODE_SPAN.findall(INDENTED_COMMAND.sub("", text)):
        yield from ((words, False) for words in split_command(span))


def split_command(line: str) -> Iterator[list[str]]:
    """Yield the words of the command that a line begins with, if it is one of Telltale's."""
    line = " ".join(line.split())
    start = START_OF_COMMAND.match(line)
    if not start:
        return
    rest = SUBSTITUTION.sub("photo.jpg", line[start.end() :] if " -m " in start[0] else line)
    words = shlex.split(END_OF_COMMAND.sub("", rest))
    if words:
        yield words
