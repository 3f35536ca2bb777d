"""Mask keys, tokens and passwords of the environment, in whichever case or coding they come.

Servers echo what they were sent, and libraries quote addresses and headers in their errors.
"""

import base64
import functools
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import TracebackType
from urllib.parse import unquote, urlsplit

MASK = "(key)"

MIN_KEY_CHARACTERS = 8
MIN_PASSWORD_CHARACTERS = 5
"""Shorter ones would be found in ordinary words."""

_is_secret_name = re.compile(
    r".*(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)", re.IGNORECASE
).fullmatch

_LINE_BREAK = r"(?:\s|\\[nrt]){0,9}"
"""Characters that may stand between two characters of a secret that was wrapped to lines."""

_ADDRESS_CREDENTIALS = re.compile(r"(?<=://)[^\s/@\"']+:[^\s/@\"']*(?=@)")

_LIKE_SECRETS = re.compile(
    r"\b(?:(?i:sk|sess)-[\w*.-]{6,}|hf_[A-Za-z0-9]{20,}|(?:AKIA|ASIA)[A-Z0-9]{12,})"
    r"|(?<=\b[Bb]asic )(?=\S*[A-Z0-9=])[\w+/=-]{6,}|(?<=\b[Bb]earer )(?=\S*\d)[^\s\"',]{6,}"
)
"""Keys by their first letters, and credentials in a header."""


def mask_secrets(text: str, *more: str) -> str:
    """Return the text without the secrets of the environment, and without these."""
    secrets = frozenset((*_list_secrets(os.environ.items()), *filter(None, more)))
    for pattern in _build_patterns(secrets):
        text = pattern.sub(MASK, text)
    return _ADDRESS_CREDENTIALS.sub(MASK, text)


def mask_server_text(text: str, *more: str) -> str:
    """Return a server's text without secrets, nor what looks like one.

    Not for one's own messages: a file may be called sk-portrait-01.jpg.
    """
    return _LIKE_SECRETS.sub(MASK, mask_secrets(text, *more))


def _list_secrets(variables: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in variables:
        value = value.strip()
        if _is_secret_name(name) and len(value) >= MIN_KEY_CHARACTERS:
            yield value
        elif "://" in value and "@" in value:
            yield from _list_passwords(value)


def _list_passwords(address: str) -> Iterator[str]:
    try:
        password = urlsplit(address).password or ""
    except ValueError:
        return
    if len(password) >= MIN_PASSWORD_CHARACTERS:
        yield from {password, unquote(password)}


@functools.lru_cache(maxsize=8)
def _build_patterns(secrets: frozenset[str]) -> list[re.Pattern[str]]:
    # The longest first: one may be a part of another.
    return [_build_pattern(secret) for secret in sorted(secrets, key=len, reverse=True)]


def _build_pattern(secret: str) -> re.Pattern[str]:
    data = secret.encode(errors="replace")
    hexadecimal = _LINE_BREAK.join(data.hex())
    codings = (_LINE_BREAK.join(map(_match_character, secret)), hexadecimal, *_list_base64(data))
    return re.compile("|".join(codings), re.IGNORECASE)


def _match_character(character: str) -> str:
    """Return a pattern of a character as it is, in an address, in JSON, and in Python's repr."""
    data = character.encode(errors="replace")
    short = {data, *(bytes([ord(character)]) for _ in range(ord(character) < 0x100))}
    codings = [
        re.escape(character),
        *("".join(f"%{byte:02x}" for byte in encoded) for encoded in short),
        *("".join(rf"\\+x{byte:02x}" for byte in encoded) for encoded in short),
        *(rf"\\+u{ord(character):04x}" for _ in range(ord(character) < 0x10000)),
        rf"&\#0*{ord(character)};",
        rf"&\#x0*{ord(character):x};",
        rf"\\+{re.escape(character)}",
    ]
    return f"(?:{'|'.join(codings)})"


def _list_base64(data: bytes) -> Iterator[str]:
    """Yield patterns of base64 for the three places where the secret may begin in a group."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + data).decode()
        whole = text[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]
        pattern = _LINE_BREAK.join(map(_match_base64_character, whole))
        yield rf"[\w+/-]{{0,2000}}{pattern}[\w+/=-]*"


def _match_base64_character(character: str) -> str:
    return {"+": "(?:[+-]|%2b)", "/": "(?:[/_]|%2f)"}.get(character, character)


def mask_everywhere() -> None:
    """Mask secrets in the tracebacks and log lines of this process, too."""
    sys.excepthook = _print_traceback
    threading.excepthook = lambda thread: _print_traceback(
        thread.exc_type, thread.exc_value, thread.exc_traceback
    )
    logging.setLogRecordFactory(_MaskedRecord)


def _print_traceback(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if sys.stderr:
        sys.stderr.write(mask_secrets("".join(traceback.format_exception(kind, error, trace))))


class _MaskedRecord(logging.LogRecord):
    """A line of a log; a formatter takes the text of an error that it finds made."""

    def __init__(self, *fields: object, **more: object) -> None:
        super().__init__(*fields, **more)
        if self.exc_info and self.exc_info[0]:
            self.exc_text = mask_secrets("".join(traceback.format_exception(*self.exc_info)))

    def getMessage(self) -> str:
        return mask_secrets(super().getMessage())
