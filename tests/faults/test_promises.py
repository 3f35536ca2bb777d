"""docs/promises.md names a test for every promise, docs/faults.md for every fault, and each of them is there."""

import ast
import functools
import re

import pytest

from toys.commands import REPOSITORY_ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PAGES = {"promises.md": 43, "faults.md": 75}
"""Each with as many lines at least."""


@functools.cache
def names_in(path: str) -> set[str]:
    return {
        each.name
        for each in ast.parse((REPOSITORY_ROOT / path).read_text()).body
        if isinstance(each, ast.FunctionDef)
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_line_names_a_test_that_is_there(page):
    text = (REPOSITORY_ROOT / "docs" / page).read_text().partition("## For longer")[0]
    rows = [
        line
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith(("| what", "| fault", "| ---"))
    ]
    assert len(rows) >= PAGES[page]
    for row in rows:
        named = NAMED.findall(row)
        assert named and all(name in names_in(path) for path, name in named), row


def test_no_file_of_faults_is_left_out():
    page = (REPOSITORY_ROOT / "docs" / "promises.md").read_text() + "faults/test_promises.py::"
    assert not [
        path.name
        for path in (REPOSITORY_ROOT / "tests" / "faults").glob("test_*.py")
        if f"faults/{path.name}::" not in page
    ]
