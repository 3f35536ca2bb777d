"""The package that `pip install .` and the Dockerfiles build."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from toys.commands import build_environment
from toys.images import encode_image, make_image

ROOT = Path(__file__).parents[2]
DOCKERFILES = ("Dockerfile", "Dockerfile.train")


def copy_docker_context(folder: Path) -> None:
    """Copy what a commit would hold, without the folders that .dockerignore leaves out."""
    ignored = set((ROOT / ".dockerignore").read_text().split())
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in map(Path, listed.stdout.splitlines()):
        if name.parts[0] not in ignored and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


@pytest.mark.slow
def test_what_is_installed_judges_an_image_and_serves_the_page_without_the_repository(tmp_path):
    context, installed, elsewhere = (tmp_path / name for name in ("context", "installed", "work"))
    copy_docker_context(context)
    assert not (context / "tests").exists()
    words = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "--target", str(installed)]
    subprocess.run([sys.executable, "-m", "pip", "install", *words, str(context)], check=True)
    elsewhere.mkdir()
    (elsewhere / "photo.png").write_bytes(encode_image(make_image(1), "PNG"))

    def run(*words: str) -> subprocess.CompletedProcess:
        program = f"import sys; sys.path.insert(0, {str(installed)!r}); sys.argv[0] = 'telltale'; "
        program += "from telltale.command import main; sys.exit(main())"
        words = [sys.executable, "-P", "-c", program, *words]
        return subprocess.run(words, cwd=elsewhere, capture_output=True, text=True, timeout=600)

    judged = run("detect", "--any-picture", "--csv", "photo.png")
    assert judged.returncode == 0 and "photo.png," in judged.stdout, judged.stderr
    assert "telltale-faces" in judged.stdout
    assert run("web", "--port", "80420").returncode == 2
    assert (installed / "detection" / "web" / "page").is_dir()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["photo.png"]


def test_who_only_judges_needs_no_package_of_the_other_requirements(tmp_path):
    """SciPy alone has 143 MB."""
    (tmp_path / "photo.png").write_bytes(encode_image(make_image(1), "PNG"))
    others = [
        re.match(r"[\w-]+", line)[0].replace("-", "_").replace("scikit_learn", "sklearn")
        for file in ("calibrate", "train")
        for line in (ROOT / f"requirements-{file}.txt").read_text().splitlines()
        if line[:1].isalpha() and "setuptools" not in line
    ]
    program = f"import sys; sys.modules.update(dict.fromkeys({others})); sys.argv[0] = 'telltale'; "
    program += "from telltale.command import main; sys.exit(main())"
    environment = build_environment(PYTHONPATH=str(ROOT))
    for words in (["detect", "--any-picture", "--explain", "photo.png"], ["models"]):
        process = subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
    assert (tmp_path / "photo.png.heatmap.png").is_file()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing_in_the_dockerfiles(name):
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if not program:
        pytest.skip("hadolint is not installed")
    checked = subprocess.run([program, str(ROOT / name)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_images_build_where_docker_runs(name):
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "info"], capture_output=True).returncode
    ):
        pytest.skip("docker does not run here")
    words = ["docker", "build", "-q", "-f", str(ROOT / name), str(ROOT)]
    built = subprocess.run(words, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    shown = subprocess.run(
        ["docker", "run", "--rm", built.stdout.strip(), "telltale", "--version"],
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0 and shown.stdout.startswith("telltale "), shown.stderr
