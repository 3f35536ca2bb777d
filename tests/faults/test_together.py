"""Several commands at once on one data set and its saved models, and commands without a network."""

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


def run_at_once(cwd: Path, *commands: Sequence[object]) -> list[subprocess.CompletedProcess]:
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda words: run_command(*words, cwd=cwd), commands))


@pytest.fixture
def unsearched(workplace, tmp_path) -> Path:
    """Copy the workplace without its searches and features."""
    folder = shutil.copytree(workplace, tmp_path / "unsearched")
    shutil.rmtree(folder / "data" / "faces" / "searches")
    shutil.rmtree(folder / "data" / "faces" / "features")
    return folder


@pytest.mark.slow
def test_the_same_training_twice_at_once_is_one_training_and_one_sentence(unsearched):
    done = run_at_once(unsearched, (*SEARCH, "--name", "one"), (*SEARCH, "--name", "two"))
    codes = sorted(process.returncode for process in done)
    output = "".join(process.stderr for process in done)
    assert codes in ([0, 0], [0, console.EXIT_BUSY]) and "Traceback" not in output, output
    if console.EXIT_BUSY in codes:
        assert "wait until it has ended" in output
    finished = [
        name
        for name in ("one", "two")
        if (unsearched / "saved_models" / name / "card.json").is_file()
    ]
    assert len(finished) == codes.count(0)
    for name in finished:
        assert (
            run_command(
                "detection", "faces/real", "--any-picture", "--model", name, cwd=unsearched
            ).returncode
            == 0
        )


@pytest.mark.slow
def test_two_different_trainings_and_a_validation_at_once_do_not_disturb_each_other(unsearched):
    alone = run_command(*SEARCH, "--name", "alone", cwd=unsearched)
    assert alone.returncode == 0, alone.stderr
    shutil.rmtree(unsearched / "data" / "faces" / "searches")
    shutil.rmtree(unsearched / "data" / "faces" / "features")
    trainings = [(*SEARCH, "--name", "one"), (*SEARCH, "--seed", 5, "--name", "other")]
    done = run_at_once(unsearched, *trainings, ("validation", "--model", "toy"))
    assert [process.returncode for process in done] == [0, 0, 0], "".join(
        process.stderr for process in done
    )
    rows = [
        (unsearched / "saved_models" / name / "leaderboard.jsonl").read_text()
        for name in ("alone", "one")
    ]
    assert rows[0] == rows[1]
    assert (unsearched / "saved_models" / "toy" / "report" / "index.html").is_file()


def test_two_pages_and_a_command_on_one_saved_model_agree(unsearched, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with (
        run_page_server(unsearched, tmp_path / "first") as first,
        run_page_server(unsearched, tmp_path / "second") as second,
    ):
        for number in range(10):
            data = encode_image(make_image(number))
            assert post_image(first, data) == post_image(second, data)


WITHOUT_NETWORK = "unshare --map-root-user --net"


@pytest.mark.slow
def test_once_everything_was_fetched_all_commands_work_without_a_network(tmp_path):
    """Run the commands of `make demo`, on folders of images, in a namespace without a network."""
    if subprocess.run([*WITHOUT_NETWORK.split(), "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no namespaces")
    faces = write_face_folders(tmp_path / "faces", 24)
    for words in (
        build_collect_words(faces),
        (*SEARCH, "--name", "toy"),
        (
            "finetuning",
            "--model",
            "toy",
            "--trials",
            2,
            "--epochs",
            1,
            "--repeats",
            1,
            "--max-depth",
            1,
        ),
        ("validation", "--model", "toy"),
        ("detection", faces / "real", "--any-picture"),
    ):
        line = [*WITHOUT_NETWORK.split(), sys.executable, "-m", *map(str, words)]
        done = subprocess.run(
            line, cwd=tmp_path, env=build_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert len(manifest.read_manifest(tmp_path / "data" / "faces")) == 48
