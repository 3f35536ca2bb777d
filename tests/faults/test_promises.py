"""Check that every row of docs/promises.md names tests that exist; no file of faults is left
out."""

import ast
import functools
import re

from toys.commands import REPOSITORY_ROOT

TEST_ID = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
MIN_ROWS = 87
MIN_TESTS = 139


@functools.cache
def functions_in(path: str) -> set[str]:
    return {
        node.name
        for node in ast.parse((REPOSITORY_ROOT / path).read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


def promises() -> str:
    """Return the part of docs/promises.md whose tables name tests."""
    text = (REPOSITORY_ROOT / "docs" / "promises.md").read_text()
    return text.partition("## Interruptions")[2].partition("## Longer runs")[0]


def test_every_row_names_tests_that_exist():
    rows = [
        line
        for line in promises().splitlines()
        if line.startswith("| ") and not line.startswith(("| what", "| ---"))
    ]
    for row in rows:
        test_ids = TEST_ID.findall(row)
        assert test_ids and all(name in functions_in(path) for path, name in test_ids), row
    assert len(rows) >= MIN_ROWS
    assert len(set(TEST_ID.findall(promises()))) >= MIN_TESTS


def test_no_file_of_faults_is_left_out():
    page = promises() + "faults/test_promises.py::"
    assert not [
        path.name
        for path in (REPOSITORY_ROOT / "tests" / "faults").glob("test_*.py")
        if f"faults/{path.name}::" not in page
    ]
