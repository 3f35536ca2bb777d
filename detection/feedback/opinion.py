"""Opinion: the true label, the kind and the note that somebody gives a picture."""

import re
from dataclasses import dataclass

from data_collection.dataset.manifest import LABELS, ImageClass

MAX_KIND_CHARACTERS, MAX_NOTE_CHARACTERS = 40, 1000

_is_kind = re.compile(rf"[a-z0-9][a-z0-9 _-]{{0,{MAX_KIND_CHARACTERS - 1}}}").fullmatch


@dataclass
class Opinion:
    """The true label of a picture, with its kind and a note.

    Attributes:
        kind: in small letters; empty if none is given.

    Raises:
        ValueError: a part cannot be taken; the message says what to give.
    """

    truth: ImageClass
    kind: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.truth not in LABELS:
            raise ValueError(f"The truth is {self.truth!r}; give one of {', '.join(LABELS)}.")
        self.kind, self.note = self.kind.strip().lower(), self.note.strip()
        if self.kind and not _is_kind(self.kind):
            raise ValueError(
                f"The kind is {self.kind[:60]!r}; give a word such as night, of letters a to z, "
                f"digits, spaces and hyphens, {MAX_KIND_CHARACTERS} characters at most."
            )
        if len(self.note) > MAX_NOTE_CHARACTERS:
            raise ValueError(
                f"The note has {len(self.note):,} characters; give {MAX_NOTE_CHARACTERS:,} at most."
            )
