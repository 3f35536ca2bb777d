"""`make demo` trains once; packages are installed by uv or, where it fails, by pip; `make clean`
deletes what `make demo` and `make test` have made, and nothing of the user's."""

import shutil
import subprocess

import pytest

from toys.commands import REPOSITORY_ROOT

MADE = (
    ".venv/running",
    ".ruff_cache/x",
    "training/__pycache__/x.pyc",
    "data/sample/manifest.jsonl",
    "logs/data_collection/sample/x",
    "saved_models/sample-20260101-120000/detector.keras",
    "logs/training/sample-20260101-120000/x",
)
KEPT = (
    "data/faces/manifest.jsonl",
    "logs/data_collection/faces/x",
    "logs/training/faces-20260101-120000/x",
    "saved_models/README.md",
    "saved_models/faces-20260101-120000/detector.keras",
    "saved_models/sample-20260102-120000/detector.keras",
    "saved_models/sample-of-mine/detector.keras",
    "saved_models/telltale-faces/detector.keras",
)


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile, with what its commands have made, and with files of a user."""
    shutil.copy(REPOSITORY_ROOT / "Makefile", tmp_path)
    for name in (*MADE, *KEPT):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if path.parent.parent.name == "saved_models":
            practice = "true" if name in MADE or "of-mine" in name else "false"
            (path.parent / "card.json").write_text(f'{{\n "practice": {practice}\n}}')
    (tmp_path / "data" / "sample" / "recipe.toml").write_text('real = ["sample"]\n')
    return tmp_path


def clean(folder):
    subprocess.run(["make", "clean"], cwd=folder, check=True, capture_output=True)


def test_what_demo_and_test_have_made_goes_and_the_rest_stays(checkout):
    clean(checkout)
    assert [name for name in MADE if (checkout / name).exists()] == []
    assert [name for name in KEPT if not (checkout / name).exists()] == []


@pytest.mark.parametrize("recipe", ['real = ["folder:mine"]\n', 'real = ["sample", "folder:x"]\n'])
def test_a_data_set_of_ones_own_that_is_called_sample_stays(recipe, checkout):
    (checkout / "data" / "sample" / "recipe.toml").write_text(recipe)
    clean(checkout)
    assert (checkout / "data" / "sample" / "manifest.jsonl").exists()


def test_a_sample_to_which_something_was_added_stays(checkout):
    (checkout / "data" / "sample" / "recipe-2.toml").write_text('real = ["folder:mine"]\n')
    clean(checkout)
    assert (checkout / "data" / "sample" / "manifest.jsonl").exists()


def test_it_may_be_given_again(checkout):
    clean(checkout)
    clean(checkout)


def list_demo_commands(folder):
    """Return what `make demo` would run."""
    made = subprocess.run(
        ["make", "--dry-run", "demo"], cwd=folder, check=True, capture_output=True, text=True
    )
    return made.stdout


def test_the_demo_trains_once_and_judges_every_time(checkout):
    for name in ("requirements.txt", "requirements.lock", "requirements-uv.lock"):
        (checkout / name).touch()
    (checkout / ".venv" / "running").touch()
    first = list_demo_commands(checkout)
    order = ["-m data_collection", "-m training", "-m finetuning", "-m validation", "-m detection"]
    places = [first.index(words) for words in order]
    assert places == sorted(places)
    report = checkout / "saved_models" / "sample-20260101-120000" / "report" / "index.html"
    report.parent.mkdir()
    report.touch()
    second = list_demo_commands(checkout)
    assert "-m training" not in second and "-m detection --model sample" in second


PYTHON_WITHOUT_UV = """#!/bin/sh
echo "$@" >> installed.txt
[ "$2" != uv ]
"""
"""Notes its words, and fails as `python -m uv`."""


def test_where_uv_does_not_install_pip_does(checkout):
    (checkout / ".venv" / "running").unlink()
    for name in ("requirements.txt", "requirements.lock", "requirements-uv.lock"):
        (checkout / name).touch()
    python = checkout / "python-without-uv"
    python.write_text(PYTHON_WITHOUT_UV)
    python.chmod(0o755)
    words = [f"PYTHON={python}", f"PY={python}"]
    subprocess.run(["make", ".venv/running", *words], cwd=checkout, check=True, capture_output=True)
    calls = [line.split() for line in (checkout / "installed.txt").read_text().splitlines()]
    installed = [(words[1], words[-1]) for words in calls if words[1] != "venv"]
    assert installed == [
        ("pip", "requirements-uv.lock"),
        ("uv", "requirements.lock"),
        ("pip", "requirements.lock"),
        ("uv", "requirements.txt"),
        ("pip", "requirements.txt"),
    ]
    assert all("--require-hashes" in words for words in calls if words[-1].endswith(".lock"))
