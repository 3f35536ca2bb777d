"""docs/promises.md names a test for every promise, and each of them is there."""

import ast
import re

from toys import ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_promise_names_a_test_that_is_there():
    page = (ROOT / "docs" / "promises.md").read_text().partition("## For longer")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| what", "| ---"))]
    assert len(rows) > 30
    for row in rows:
        named = NAMED.findall(row)
        assert named, row
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text())
            assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, f"{path}::{name}"


def test_no_file_of_faults_is_left_out():
    page = (ROOT / "docs" / "promises.md").read_text() + "faults/test_promises.py::"
    assert not [path.name for path in (ROOT / "tests" / "faults").glob("test_*.py") if f"faults/{path.name}::" not in page]
