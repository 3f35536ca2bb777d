"""Hold the product's code to its limits of size and style, and the docstrings of all code."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from toys.commands import PRODUCT_FOLDERS, REPOSITORY_ROOT

MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 45
"""Docstring included."""

MAX_PARAMETERS = 6
"""Apart from self and cls; more need a reason in the docstring, with the word "parameters"."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef


def product_files() -> list[Path]:
    return sorted(
        path for room in PRODUCT_FOLDERS for path in (REPOSITORY_ROOT / room).rglob("*.py")
    )


def all_files() -> list[Path]:
    folders = (REPOSITORY_ROOT / "tests", REPOSITORY_ROOT / "benchmarks")
    return product_files() + sorted(path for folder in folders for path in folder.rglob("*.py"))


def documented_nodes(files: Iterable[Path]) -> Iterator[tuple[str, ast.AST]]:
    """Yield the path and name, and the node, of every module, class and function."""
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | Definition):
                name = getattr(node, "name", "")
                yield f"{path.relative_to(REPOSITORY_ROOT)} {name}", node


def functions() -> Iterator[tuple[str, Definition]]:
    nodes = documented_nodes(product_files())
    return ((name, node) for name, node in nodes if isinstance(node, Definition))


def count_parameters(node: Definition) -> int:
    parameters = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    return sum(parameter.arg not in ("self", "cls") for parameter in parameters)


def test_no_file_is_too_long():
    lengths = {path: len(path.read_text().splitlines()) for path in product_files()}
    too_long = {path: count for path, count in lengths.items() if count > MAX_FILE_LINES}
    assert not too_long


def test_no_function_is_too_long():
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions()}
    assert not {name: count for name, count in lengths.items() if count > MAX_FUNCTION_LINES}


def test_a_function_with_many_parameters_gives_a_reason():
    assert not [
        name
        for name, node in functions()
        if count_parameters(node) > MAX_PARAMETERS
        and "parameters" not in (ast.get_docstring(node) or "")
    ]


def test_no_docstring_begins_as_a_riddle():
    """Those of modules, classes and functions, and the strings below constants and fields."""
    assert not [
        f"{path.relative_to(REPOSITORY_ROOT)}:{node.lineno}"
        for path in all_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and str(node.value.value).lstrip().startswith(("What ", "Of "))
    ]
