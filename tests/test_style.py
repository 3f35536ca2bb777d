"""Hold the product's code to its limits of size and style."""

import ast
from collections.abc import Iterator
from pathlib import Path

from toys.commands import REPOSITORY_ROOT

ROOMS = ("runtime", "data_collection", "training", "finetuning", "validation", "detection")
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 48
"""Docstring included."""

MAX_PARAMETERS = 6
"""Apart from self and cls; more need a reason in the docstring, with the word "parameters"."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef


def product_files() -> list[Path]:
    return sorted(path for room in ROOMS for path in (REPOSITORY_ROOT / room).rglob("*.py"))


def documented_nodes() -> Iterator[tuple[str, ast.AST]]:
    """Yield the place and the node of every module, class and function of the product."""
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | Definition):
                name = getattr(node, "name", "")
                yield f"{path.relative_to(REPOSITORY_ROOT)} {name}", node


def functions() -> Iterator[tuple[str, Definition]]:
    return ((place, node) for place, node in documented_nodes() if isinstance(node, Definition))


def count_parameters(node: Definition) -> int:
    parameters = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    return sum(parameter.arg not in ("self", "cls") for parameter in parameters)


def test_no_file_is_too_long():
    lengths = {path: len(path.read_text().splitlines()) for path in product_files()}
    too_long = {path: count for path, count in lengths.items() if count > MAX_FILE_LINES}
    assert not too_long


def test_no_function_is_too_long():
    lengths = {place: node.end_lineno - node.lineno + 1 for place, node in functions()}
    assert not {place: count for place, count in lengths.items() if count > MAX_FUNCTION_LINES}


def test_a_function_with_many_parameters_gives_a_reason():
    assert not [
        place
        for place, node in functions()
        if count_parameters(node) > MAX_PARAMETERS
        and "parameters" not in (ast.get_docstring(node) or "")
    ]


def test_no_docstring_begins_as_a_riddle():
    docstrings = {place: ast.get_docstring(node) or "" for place, node in documented_nodes()}
    riddles = [place for place, text in docstrings.items() if text.startswith(("What ", "Of "))]
    assert not riddles
