"""Imports between rooms run one way, and `__init__.py` files import nothing."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("data_collection", "training", "finetuning", "validation", "detection")


def imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("room", [room for room in ROOMS if (ROOT / room).is_dir()])
def test_a_room_imports_only_itself_and_earlier_rooms(room):
    later = set(ROOMS[ROOMS.index(room) + 1 :])
    assert {path.name: imports(path) & later for path in (ROOT / room).glob("*.py") if imports(path) & later} == {}


def test_init_files_import_nothing():
    assert [str(path) for room in ROOMS for path in (ROOT / room).rglob("__init__.py") if imports(path)] == []
