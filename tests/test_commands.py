"""Commands answer --help at once, and mistakes with one sentence; those of the documents exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from toys.commands import REPOSITORY_ROOT, run_command
from toys.images import encode_image, make_image

ROOMS = ("data_collection", "training", "finetuning", "validation", "detection")


@pytest.mark.parametrize("room", ROOMS)
def test_help_needs_no_heavy_library(room):
    program = (
        "import runpy, sys\nsys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('{room}', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'onnxruntime', 'sklearn'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY_ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_a_misspelt_option_is_named_with_a_suggestion(room, tmp_path):
    wrong, right = {
        "data_collection": ("--image-sice", "--image-size"),
        "training": ("--trails", "--trials"),
        "finetuning": ("--max-dept", "--max-depth"),
        "validation": ("--modell", "--model"),
        "detection": ("--jsno", "--json"),
    }[room]
    done = run_command(room, wrong, "3", cwd=tmp_path)
    assert done.returncode == 2
    assert right in done.stderr
    assert "Traceback" not in done.stderr


def test_every_module_that_a_document_runs_exists():
    documents = [REPOSITORY_ROOT / "README.md", REPOSITORY_ROOT / "Makefile"]
    documents += sorted((REPOSITORY_ROOT / "docs").glob("*.md"))
    modules = {
        module
        for document in documents
        for module in re.findall(r" -m ([a-z_]+[a-z_.]*)", document.read_text())
        if module.partition(".")[0] in (*ROOMS, "benchmarks")
    }
    assert modules >= set(ROOMS)
    paths = {module: REPOSITORY_ROOT / module.replace(".", "/") for module in modules}
    assert [
        module
        for module, path in paths.items()
        if not (path / "__main__.py").exists() and not path.with_suffix(".py").exists()
    ] == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["data_collection", "--real", "folder:"], 2, "folder: lacks a path"),
        (
            ["data_collection", "--recipe", "simple"],
            2,
            "There is no recipe simple; did you mean sample? Give many, sample",
        ),
        (["data_collection", "audti", "x"], 2, "did you mean `python -m data_collection audit`?"),
        (["data_collection", "audit", "nowhere"], 2, "nowhere holds no data set"),
        (["data_collection", "regenerate", "nowhere", "1"], 2, "nowhere holds no data set"),
        (
            ["data_collection", "--real", "folder:nowhere", "--generated", "folder:faces"],
            2,
            "nowhere is not a folder",
        ),
        (
            ["data_collection", "--real", "kagle:x"],
            2,
            "Unknown source 'kagle:x' for --real (did you mean kaggle?).",
        ),
        (
            ["data_collection", "--real", "faces", "--generated", "dcgan:many"],
            2,
            "asks for 'many' faces",
        ),
        (["data_collection", "--image-size", "5"], 2, "--image-size is 5"),
        (["training"], 2, "holds no data set"),
        (["training", "--dataset", "nowhere"], 2, "nowhere holds no data set"),
        (["finetuning", "--model", "nothing"], 8, "nothing is not a saved detector"),
        (["training", "--sizes", "100"], 2, "multiples of 32"),
        (["training", "--trials", "0"], 2, "--trials is 0"),
        (["validation"], 8, "holds no detector"),
        (["training", "--trials", "many"], 2, "error: --trials is 'many'; give a whole number"),
        (["detection"], 2, "error: Name an image or a folder: python -m detection photo.jpg"),
        (["detection", "https://example.com/a.jpg"], 2, "addresses are not fetched; save the"),
        (["detection", "photo.png", "--model", "none"], 8, "none is not a saved detector"),
    ],
)
def test_a_mistake_gets_one_sentence_and_a_code(words, code, sentence, tmp_path):
    (tmp_path / "photo.png").write_bytes(encode_image(make_image(1)))
    (tmp_path / "faces").mkdir()
    done = run_command(*words, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert sentence in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())


def test_no_file_names_this_machine():
    """Search all committed texts for absolute home and temporary paths."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    texts = {
        name: Path(REPOSITORY_ROOT, name).read_text(errors="ignore")
        for name in listed
        if not name.endswith((".png", ".jpg"))
    }
    names = [
        name for name, text in texts.items() if re.search(r"/(home|root|tmp|Users|work)/\w", text)
    ]
    assert [name for name in names if name != "tests/test_commands.py"] == []
