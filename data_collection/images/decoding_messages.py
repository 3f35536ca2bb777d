"""Messages between a command and its decoding processes: a JSON header, then bytes.

Nothing is unpickled: a process that a malicious image has taken over can send pixels only."""

import json
import struct
from collections.abc import Mapping
from typing import BinaryIO

_LENGTHS = struct.Struct(">II")
"""Bytes of the header, and of the rest."""


def write_message(stream: BinaryIO, header: Mapping[str, object], body: bytes = b"") -> None:
    """Write a message to an unbuffered stream."""
    text = json.dumps(header).encode()
    _write_all(stream, _LENGTHS.pack(len(text), len(body)) + text)
    _write_all(stream, body)


def read_message(stream: BinaryIO) -> tuple[dict[str, object], bytearray]:
    """Read a message from an unbuffered stream.

    Raises:
        EOFError: the other side has ended.
    """
    header_length, body_length = _LENGTHS.unpack(_read_exactly(stream, _LENGTHS.size))
    header = json.loads(_read_exactly(stream, header_length))
    return header, _read_exactly(stream, body_length)


def _write_all(stream: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[stream.write(rest) :]


def _read_exactly(stream: BinaryIO, length: int) -> bytearray:
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        count = stream.readinto(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return data
