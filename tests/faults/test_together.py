"""Several commands at once on the same data set and the same saved models, and commands without any
network."""

import concurrent.futures
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from data_collection.dataset import manifest
from runtime import console
from toys.commands import TRAIN_WORDS, build_collect_words, build_environment, run_command
from toys.images import encode_image, make_image, write_face_folders
from toys.page_server import post_image, run_page_server

SEARCH = (*TRAIN_WORDS, "--trials", 4, "--epochs", 3)


def at_once(cwd: Path, *commands: Sequence[object]) -> list[subprocess.CompletedProcess]:
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as people:
        return list(people.map(lambda words: run_command(*words, cwd=cwd), commands))


@pytest.fixture
def place(workplace, tmp_path) -> Path:
    """A copy of the workplace that no search has been run in."""
    shutil.copytree(workplace, tmp_path / "place")
    shutil.rmtree(tmp_path / "place" / "data" / "faces" / "searches")
    shutil.rmtree(tmp_path / "place" / "data" / "faces" / "features")
    return tmp_path / "place"


@pytest.mark.slow
def test_the_same_training_twice_at_once_is_one_training_and_one_sentence(place):
    done = at_once(place, (*SEARCH, "--name", "one"), (*SEARCH, "--name", "two"))
    codes = sorted(each.returncode for each in done)
    said = "".join(each.stderr for each in done)
    assert codes in ([0, 0], [0, console.EXIT_BUSY]) and "Traceback" not in said, said
    if console.EXIT_BUSY in codes:
        assert "wait until it has ended" in said
    finished = [
        name for name in ("one", "two") if (place / "saved_models" / name / "card.json").is_file()
    ]
    assert len(finished) == codes.count(0)
    for name in finished:
        assert run_command("detection", "faces/real", "--model", name, cwd=place).returncode == 0


@pytest.mark.slow
def test_two_different_trainings_and_a_validation_at_once_do_not_disturb_each_other(place):
    alone = run_command(*SEARCH, "--name", "alone", cwd=place)
    assert alone.returncode == 0, alone.stderr
    shutil.rmtree(place / "data" / "faces" / "searches")
    shutil.rmtree(place / "data" / "faces" / "features")
    trainings = [(*SEARCH, "--name", "one"), (*SEARCH, "--seed", 5, "--name", "other")]
    done = at_once(place, *trainings, ("validation", "--model", "toy"))
    assert [each.returncode for each in done] == [0, 0, 0], "".join(each.stderr for each in done)
    rows = [
        (place / "saved_models" / name / "leaderboard.jsonl").read_text()
        for name in ("alone", "one")
    ]
    assert rows[0] == rows[1]
    assert (place / "saved_models" / "toy" / "report" / "index.html").is_file()


def test_two_pages_and_a_command_on_one_saved_model_agree(place, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with (
        run_page_server(place, tmp_path / "first") as first,
        run_page_server(place, tmp_path / "second") as second,
    ):
        for number in range(10):
            data = encode_image(make_image(number))
            assert post_image(first, data) == post_image(second, data)


ALONE = "unshare --map-root-user --net"


@pytest.mark.slow
def test_once_everything_was_fetched_all_commands_work_without_a_network(tmp_path):
    """The commands of `make demo`, on folders of pictures, in a namespace that has no network at
    all."""
    if subprocess.run([*ALONE.split(), "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no namespaces")
    faces = write_face_folders(tmp_path / "faces", 24)
    for words in (
        build_collect_words(faces),
        (*SEARCH, "--name", "toy"),
        ("finetuning", "toy", "--trials", 2, "--epochs", 1, "--repeats", 1, "--max-depth", 1),
        ("validation", "--model", "toy"),
        ("detection", faces / "real"),
    ):
        line = [*ALONE.split(), sys.executable, "-m", *map(str, words)]
        done = subprocess.run(
            line, cwd=tmp_path, env=build_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert len(manifest.read_manifest(tmp_path / "data" / "faces")) == 48
