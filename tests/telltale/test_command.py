"""The command `telltale`, from a clone and installed."""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

import telltale
from data_collection import __main__ as data_collection_commands
from detection import __main__ as detection_commands
from runtime.commands.names import MODULE_COMMANDS
from toys.commands import REPOSITORY_ROOT, run_command, run_program
from toys.images import write_face_folders
from validation import __main__ as validation_commands


def test_every_command_of_the_rooms_has_a_name():
    rooms = {
        "data_collection": data_collection_commands,
        "validation": validation_commands,
        "detection": detection_commands,
    }
    named = {f"{room} {name}" for room, module in rooms.items() for name in module.COMMANDS}
    rest = {*rooms, "training", "finetuning", "detection models use", "telltale doctor"}
    assert set(MODULE_COMMANDS.values()) == named | rest


def test_the_overview_lists_every_command(tmp_path):
    done = run_command("telltale", cwd=tmp_path)
    assert done.returncode == 0
    lines = re.findall(r"^  (\S+(?: \S+)?)  +\S", done.stdout, re.MULTILINE)
    assert lines == list(MODULE_COMMANDS)


@pytest.mark.parametrize(
    ("words", "room_words"),
    [
        (["detect", "--help"], ["detection", "--help"]),
        (["models"], ["detection", "models"]),
        (["models", "use", "--help"], ["detection", "models", "use", "--help"]),
        (["verify", "data/nosuch"], ["data_collection", "verify", "data/nosuch"]),
    ],
)
def test_a_command_does_what_its_module_does_and_calls_itself_by_its_own_name(
    words, room_words, tmp_path
):
    done = run_command("telltale", *words, cwd=tmp_path)
    same = run_command(*room_words, cwd=tmp_path)
    assert done.returncode == same.returncode
    if "--help" in words:
        assert done.stdout.startswith(f"usage: telltale {' '.join(words[:-1])} ")
    else:
        assert "python -m" not in done.stdout + done.stderr
        assert done.stdout.split() == same.stdout.split()


def test_a_mistyped_command_is_named_with_a_suggestion(tmp_path):
    done = run_command("telltale", "detct", "a.jpg", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean `telltale detect`?" in done.stderr


def test_the_version_is_that_of_the_project(tmp_path):
    project = tomllib.loads((REPOSITORY_ROOT / "pyproject.toml").read_text())["project"]
    assert run_command("telltale", "--version", cwd=tmp_path).stdout == (
        f"telltale {project['version']}\n"
    )


def test_the_doctor_tells_what_is_there_and_clears_the_cache(tmp_path):
    cache = tmp_path / "cache"
    (cache / "packages").mkdir(parents=True)
    (cache / "packages" / "base.whl").write_bytes(bytes(100_000_000))
    done = run_command("telltale", "doctor", cwd=tmp_path, TELLTALE_CACHE=str(cache))
    assert done.returncode == 0
    for text in ("0.1 GB", "GB free", "onnxruntime", "telltale-faces"):
        assert text in done.stdout
    done = run_command("telltale", "doctor", "--clear-cache", cwd=tmp_path, TELLTALE_CACHE=cache)
    assert "Deleted 0.1 GB" in done.stderr
    assert not cache.exists()


def test_a_missing_package_is_one_sentence(tmp_path):
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "sys.argv = ['telltale', 'collect', '--real', 'folder:nosuch']\n"
        "from telltale.command import main; main()"
    )
    done = run_program(program, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: numpy is not installed")
    assert "Traceback" not in done.stderr


def test_the_public_names_are_importable_from_one_place():
    for name in telltale.__all__:
        assert getattr(telltale, name).__name__ == name
    with pytest.raises(AttributeError):
        telltale.nosuch  # noqa: B018


def test_the_workspace_can_lie_elsewhere(tmp_path):
    write_face_folders(tmp_path / "faces", 4)
    home = tmp_path / "home"
    words = ("folder:faces/real", "--generated", "folder:faces/generated", "--dataset", "mine")
    done = run_command(
        "telltale", "collect", "--no-audit", "--real", *words, cwd=tmp_path, TELLTALE_HOME=str(home)
    )
    assert done.returncode in (0, 2), done.stderr
    assert (home / "data" / "mine").is_dir()
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_installed_it_judges_from_any_folder_and_writes_only_there(tmp_path):
    wheel_folder, environment = tmp_path / "wheel", tmp_path / "environment"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheel_folder]
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", REPOSITORY_ROOT, source], check=True)
    subprocess.run([*pip, *build, source], check=True)
    venv.create(environment, with_pip=False)
    (packages,) = environment.glob("lib/*/site-packages")
    (wheel,) = wheel_folder.iterdir()
    subprocess.run([*pip, "install", "--no-deps", "--target", packages, wheel], check=True)
    ours = next(path for path in map(Path, sys.path) if (path / "numpy").is_dir())
    (packages / "ours.pth").write_text(f"{ours}\n")
    before = {path: path.stat().st_mtime_ns for path in packages.glob("saved_models/**/*")}
    write_face_folders(tmp_path / "faces", 4)
    image = next((tmp_path / "faces" / "real").iterdir())
    done = subprocess.run(
        [environment / "bin" / "python", "-m", "telltale", "detect", "--any-picture", image],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Judged by telltale-faces" in done.stderr
    assert str(packages) not in done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in packages.glob("saved_models/**/*")} == before
