"""Parse JSON files that a crash may have cut off or that may be malicious."""

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


def parse_json_as(data: bytes | str, target_type: type[ParsedType]) -> ParsedType:
    """Parse JSON into a dataclass and check the type of every field.

    Raises:
        ValueError: it is not JSON, or does not match the dataclass.
    """
    return convert_to(parse_json(data), target_type)


def convert_to(content: Any, target_type: type[ParsedType]) -> ParsedType:
    """Convert parsed JSON to a dataclass and check the type of every field.

    Raises:
        ValueError: the content lacks a field, or a field has another type.
    """
    return msgspec.convert(content, target_type)
