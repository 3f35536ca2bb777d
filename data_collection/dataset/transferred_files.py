"""Which files of a data set are copied to an object store and back, and how large they may be.

A store may be a stranger's: a file that is not on the list, a page with a script for instance, is
left where it is.
"""

import re
from collections.abc import Mapping

from data_collection.dataset import manifest
from data_collection.images import decode
from runtime import console

MAX_FEATURE_FILE_BYTES = 4 << 30
MAX_TABLE_FILE_BYTES = 16 << 30
"""Largest manifest; ten million rows need ten gigabytes."""

_LABEL_FOLDER = rf"(?:{'|'.join(manifest.LABELS)})/[0-9a-f]{{2}}/[0-9a-f]{{64}}"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"

MAX_BYTES_BY_NAME = {
    rf"originals/{_LABEL_FOLDER}\.[a-z0-9]{{1,10}}": decode.MAX_IMAGE_BYTES,
    rf"images/{_LABEL_FOLDER}\.jpg": decode.MAX_IMAGE_BYTES,
    rf"features/{_PART}(?:/{_PART})?/view-?[0-9]{{1,9}}-[0-9a-f]{{16}}\.npz": (
        MAX_FEATURE_FILE_BYTES
    ),
    r"(?:manifest|prompts|corrections)\.jsonl": MAX_TABLE_FILE_BYTES,
    r"(?:splits|settings|audit)\.json": MAX_TABLE_FILE_BYTES,
    r"recipe(?:-[0-9]{1,9})?\.toml": decode.MAX_IMAGE_BYTES,
}
"""Patterns of the names that a data set has, with a limit each. audit.html is not among them:
`python -m data_collection audit` makes it again."""


def select_transferred(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the files that are copied, of all names with their sizes in bytes.

    Raises:
        PlainError: one is larger than any that Telltale writes.
    """
    selected = {}
    for name, size in sizes.items():
        limit = _find_limit(name)
        if limit is None:
            continue
        if not 0 <= size <= limit:
            raise console.PlainError(
                f"{name} has {size:,} bytes and may have {limit:,}; it is none of Telltale's: "
                "remove it there."
            )
        selected[name] = size
    return selected


def _find_limit(name: str) -> int | None:
    limits = (limit for row, limit in MAX_BYTES_BY_NAME.items() if re.fullmatch(row, name))
    return next(limits, None)
