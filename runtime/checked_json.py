"""Parse JSON files that a crash may have torn or that someone may have made to do harm."""

import json
from typing import Any, TypeVar

import msgspec

ParsedType = TypeVar("ParsedType")


def parse_json(data: bytes | str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is not JSON, or is nested too deeply for Python.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_json_as(data: bytes | str, kind: type[ParsedType]) -> ParsedType:
    """Parse JSON into a dataclass and check the type of every field.

    Raises:
        ValueError: it is not JSON, or does not match the dataclass.
    """
    return msgspec.convert(parse_json(data), kind)
