"""Imports between rooms run one way, and `__init__.py` files import nothing."""

import ast
import os
import subprocess
import sys
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


def test_one_module_imports_onnx_runtime_which_would_send_usage_events_otherwise():
    files = [path for folder in (*ROOMS, "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if "onnxruntime" in imports(path)] == ["onnx_session.py"]


def test_onnx_runtime_keeps_nothing_about_its_use(tmp_path):
    program = "from data_collection import onnx_session\ntry: onnx_session.opened(b'')\nexcept Exception: pass"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
