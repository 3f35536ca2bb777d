"""A Python that is too old, or without the packages, is told in one sentence."""

import ast

import pytest

from toys.commands import REPOSITORY_ROOT, ROOMS, run_program

START = "import runpy, sys; {setup}; sys.argv = ['x', '--help']; runpy.run_module('{room}', "
START += "run_name='__main__')"


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    ("setup", "sentence"),
    [
        ("sys.version_info = (3, 9, 2, 'final', 0)", "needs Python 3.11 or newer, and this is"),
        (
            "sys.path[:] = [p for p in sys.path if 'site-packages' not in p]",
            "rich is not installed",
        ),
    ],
)
def test_what_python_lacks_is_told_in_one_sentence(room, setup, sentence, tmp_path):
    program = START.format(setup=setup, room=room)
    done = run_program(program, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: ") and sentence in done.stderr


def test_old_pythons_can_read_what_runs_before_the_check():
    files = [REPOSITORY_ROOT / room / "__main__.py" for room in ROOMS]
    files += [REPOSITORY_ROOT / room / "__init__.py" for room in (*ROOMS, "runtime")]
    files += [REPOSITORY_ROOT / "telltale/command.py"]
    files += (REPOSITORY_ROOT / "runtime/commands").glob("i*.py")
    for file in [*files, REPOSITORY_ROOT / "runtime/commands/__init__.py"]:
        ast.parse(file.read_text(), feature_version=(3, 6))
