"""JSON of files that a crash may have torn, or that somebody may have made to hurt."""

import json
from typing import Any, TypeVar

import msgspec

ParsedType = TypeVar("ParsedType")


def parse_json(data: bytes | str) -> Any:
    """What it says.

    Raises:
        ValueError: it is no JSON, or is nested deeper than Python follows.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_json_as(data: bytes | str, kind: type[ParsedType]) -> ParsedType:
    """What it says as a dataclass, every field of which has its type.

    Raises:
        ValueError: it is no JSON, or does not say what the dataclass asks for.
    """
    return msgspec.convert(parse_json(data), kind)
