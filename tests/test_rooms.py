"""Imports run one way: from `runtime` through the rooms, between the packages of a room, and
between files."""

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from toys.commands import ROOMS

ROOT = Path(__file__).parent.parent
GROUND_FLOOR = "runtime"


def product_files(root: Path = ROOT) -> list[Path]:
    return [path for room in (GROUND_FLOOR, *ROOMS) for path in sorted((root / room).rglob("*.py"))]


def module_name(path: Path, root: Path = ROOT) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def imported_names(path: Path) -> frozenset[str]:
    """Return every dotted name that a file imports, wherever in the file; `from a import b` gives
    `a` and `a.b`."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return frozenset(names)


def imported_roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported_names(path)}


def file_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Return, by module, the modules of the product that it imports."""
    modules = {module_name(path, root): path for path in product_files(root)}
    return {
        name: {other for other in imported_names(path) if other in modules and other != name}
        for name, path in modules.items()
    }


def package_of(module: str, root: Path = ROOT) -> str:
    """Return the package inside a room that a module lies in; a module at the room's top stands for
    itself."""
    parts = module.split(".")
    inside = len(parts) > 2 or (root / Path(*parts) / "__init__.py").exists()
    return ".".join(parts[:2]) if inside and len(parts) > 1 else module


def package_graph(root: Path = ROOT) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for module, imported in file_graph(root).items():
        package = package_of(module, root)
        graph.setdefault(package, set()).update(
            {package_of(name, root) for name in imported} - {package}
        )
    return graph


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one cycle, in order; an empty list if there is none."""
    finished: set[str] = set()

    def follow(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return []
        for target in sorted(graph.get(node, ())):
            if cycle := follow(target, [*path, node]):
                return cycle
        finished.add(node)
        return []

    return next((cycle for node in sorted(graph) if (cycle := follow(node, []))), [])


def imports_of_later_rooms(root: Path = ROOT) -> dict[str, set[str]]:
    order = (GROUND_FLOOR, *ROOMS)
    wrong = {}
    for path in product_files(root):
        room = path.relative_to(root).parts[0]
        if later := imported_roots(path) & set(order[order.index(room) + 1 :]):
            wrong[module_name(path, root)] = later
    return wrong


def runtime_files_of_fewer_than_two_rooms(root: Path = ROOT) -> dict[str, set[str]]:
    """Count users through other files of `runtime`, too."""
    graph = file_graph(root)
    files = [name for name in graph if name.startswith(f"{GROUND_FLOOR}.")]
    rooms = {
        name: {user.partition(".")[0] for user in graph if name in graph[user]} for name in files
    }
    for _ in files:
        for name in files:
            for user in rooms[name].copy():
                if user == GROUND_FLOOR:
                    importers = (file for file in files if name in graph[file])
                    rooms[name] |= {room for file in importers for room in rooms[file]}
    return {
        name: users - {GROUND_FLOOR}
        for name, users in rooms.items()
        if len(users - {GROUND_FLOOR}) < 2
    }


def test_a_room_imports_only_itself_and_earlier_rooms():
    assert imports_of_later_rooms() == {}


def test_no_two_files_import_each_other_not_even_through_others():
    assert find_cycle(file_graph()) == []


def test_packages_inside_a_room_have_no_cycle():
    assert find_cycle(package_graph()) == []


def test_every_file_of_runtime_serves_two_rooms_or_more():
    assert runtime_files_of_fewer_than_two_rooms() == {}


def test_no_package_has_more_files_than_a_reader_takes_in():
    folders: dict[Path, int] = {}
    for path in product_files():
        if path.name not in ("__init__.py", "__main__.py"):
            folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {
        str(folder.relative_to(ROOT)): count for folder, count in folders.items() if count > 14
    } == {}


def test_init_files_import_nothing_and_those_of_packages_say_what_the_package_is_for():
    packages = [path for path in product_files() if path.name == "__init__.py"]
    importing = {module_name(path): imported_names(path) for path in packages}
    # The public names of `telltale` are imported when they are used.
    assert importing.pop("telltale") <= {"importlib", "typing", "typing.Any"}
    assert [name for name, imported in importing.items() if imported] == []
    assert [
        module_name(path) for path in packages if not ast.get_docstring(ast.parse(path.read_text()))
    ] == []


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "check", "answer"),
    [
        (
            {"training/bases/taps.py": "def f():\n    from detection.web import server"},
            imports_of_later_rooms,
            {"training.bases.taps": {"detection"}},
        ),
        (
            {"runtime/console.py": "from training.features import layout"},
            imports_of_later_rooms,
            {"runtime.console": {"training"}},
        ),
        (
            {"training/a.py": "from training import b", "training/b.py": "import training.a"},
            lambda root: find_cycle(file_graph(root)),
            ["training.a", "training.b", "training.a"],
        ),
        (
            {
                "training/bases/__init__.py": "",
                "training/bases/x.py": "from training.features import y",
                "training/features/y.py": "",
                "training/features/z.py": "from training.bases.w import f",
                "training/bases/w.py": "def f(): ...",
            },
            lambda root: find_cycle(package_graph(root)),
            ["training.bases", "training.features", "training.bases"],
        ),
        (
            {
                "runtime/hashing.py": "",
                "training/a.py": "from runtime import hashing",
                "training/b.py": "import runtime.hashing",
            },
            runtime_files_of_fewer_than_two_rooms,
            {"runtime.hashing": {"training"}},
        ),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, files, check, answer):
    assert check(plant(tmp_path, files)) == answer


def python_files(*folders: str) -> Iterable[Path]:
    return (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


def test_one_module_imports_onnx_runtime_which_would_send_usage_events_otherwise():
    files = python_files(GROUND_FLOOR, *ROOMS, "benchmarks")
    assert [path.name for path in files if "onnxruntime" in imported_roots(path)] == [
        "onnx_session.py"
    ]


def test_onnx_runtime_keeps_nothing_about_its_use(tmp_path):
    program = (
        "from runtime import onnx_session\n"
        "try: onnx_session.open_session(b'')\n"
        "except Exception: pass"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
