"""Every place that shows a verdict takes its words from one table."""

import ast
import json
import re
from collections.abc import Iterator
from typing import get_args

from toys.commands import PRODUCT_FOLDERS, REPOSITORY_ROOT
from training.cuts.verdicts import VERDICTS, Verdict

PAGE = REPOSITORY_ROOT / "detection" / "web" / "page"
BROWSER_DEMO = REPOSITORY_ROOT / "docs" / "browser-demo"
TABLE = REPOSITORY_ROOT / "training" / "cuts" / "verdicts.py"

OWN_WORDS = re.compile(
    r"\bcan.t tell\b|\blooks (like|generated|real)|no known trace", re.IGNORECASE
)
"""Words that nothing but a verdict needs."""


def list_strings(code: str) -> Iterator[str]:
    """Yield the strings of a module, without its docstrings."""
    tree = ast.parse(code)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(getattr(node, "value", None), str) and id(node) not in docstrings:
            yield node.value


def test_no_module_and_no_page_has_words_of_its_own():
    paths = [path for room in PRODUCT_FOLDERS for path in (REPOSITORY_ROOT / room).rglob("*")]
    modules = {path: list(list_strings(path.read_text())) for path in paths if path.suffix == ".py"}
    pages = {
        path: [path.read_text()] for path in paths if path.suffix in (".jinja", ".js", ".css")
    } | {path: [path.read_text()] for path in (PAGE / "index.html", BROWSER_DEMO / "index.html")}
    assert {
        str(path.relative_to(REPOSITORY_ROOT))
        for path, texts in (modules | pages).items()
        if any(OWN_WORDS.search(text) for text in texts)
    } == {str(TABLE.relative_to(REPOSITORY_ROOT))}


def test_the_table_has_every_verdict_and_each_headline_has_its_word():
    assert tuple(VERDICTS) == get_args(Verdict)
    for verdict, words in VERDICTS.items():
        assert verdict in words.headline.lower() and verdict in words.predicate


def test_the_demo_in_the_browser_repeats_the_table():
    program = (BROWSER_DEMO / "demo.js").read_text()
    names = dict(re.findall(r'\b(GENERATED|REAL|ABSTAIN) = "(.*?)"', program))
    rows = re.findall(
        r'^ *\[(\w+)\]: \{ headline: "(.*)", tone: "(.*)" \},$', program, re.MULTILINE
    )
    assert {names[name]: (headline, tone) for name, headline, tone in rows} == {
        verdict: (words.headline, words.tone) for verdict, words in VERDICTS.items()
    }
    table_end = program.index("};")
    assert not OWN_WORDS.search(program[table_end:])


def test_the_rest_api_is_documented_with_the_words_of_the_table():
    schemas = json.loads((PAGE / "openapi.json").read_text())["components"]["schemas"]
    assert schemas["Detection"]["properties"]["verdict"]["enum"] == list(VERDICTS)
    generated, real, abstain = (f"<code>{verdict}</code>" for verdict in VERDICTS)
    assert f"{generated}, {real} or {abstain}" in (PAGE / "api.html").read_text()
