"""Commands cope with signals, closed streams, read-only folders, and odd environments."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime import console
from toys.commands import (
    COLLECT_WORDS,
    TRAIN_WORDS,
    build_collect_words,
    build_environment,
    run_command,
)
from toys.images import write_face_folders
from training import keras_startup


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_collection_that_is_told_to_end_does_so_at_once_and_carries_on(tmp_path, signal_number):
    faces, seed = write_face_folders(tmp_path / "faces", 120), random.randrange(10**6)
    print("seed", seed)
    words = [sys.executable, "-m", *map(str, build_collect_words(faces))]
    process = subprocess.Popen(
        words, cwd=tmp_path, env=build_environment(), stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "data" / "faces" / "images").exists():
        assert process.poll() is None
        time.sleep(0.002)
    time.sleep(random.Random(seed).uniform(0, 0.1))
    process.send_signal(signal_number)
    start = time.monotonic()
    _, output = process.communicate()
    assert process.returncode == console.EXIT_INTERRUPTED, output
    assert time.monotonic() - start < 2
    assert "run the same command to continue" in output and "Traceback" not in output
    assert run_command(*build_collect_words(faces), cwd=tmp_path).returncode == 0


def count_child_cpu_seconds(process_id: int) -> float:
    """Return what the child of a process that has computed most has computed."""
    children = Path(f"/proc/{process_id}/task").glob("*/children")
    stats = [
        Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        for path in children
        for child in path.read_text().split()
    ]
    ticks = max((int(stat[11]) + int(stat[12]) for stat in stats), default=0)
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc here")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_detection_amid_slow_images_ends_within_two_seconds(tmp_path, signal_number):
    lines = np.zeros((4990, 4990), np.uint16)
    lines[::7] = 40_000
    page = Image.new("L", (8, 8))  # files of several pages are decoded in processes of their own
    for number in range(20):
        lines[number] = number
        image, options = Image.fromarray(lines), {"compression": "tiff_adobe_deflate"}
        image.save(tmp_path / f"{number}.tif", save_all=True, append_images=[page], **options)
    words = ("detection", tmp_path, "--model", "telltale-faces", "--any-picture")
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        cwd=tmp_path,
        env=build_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while count_child_cpu_seconds(process.pid) < 1:  # its decoding processes are at work
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal_number)
    start = time.monotonic()
    _, output = process.communicate()
    assert time.monotonic() - start < 2
    assert process.returncode == console.EXIT_INTERRUPTED and "Traceback" not in output, output


def test_a_training_that_is_told_to_end_while_keras_starts_says_so(workplace):
    words = [sys.executable, "-m", *map(str, TRAIN_WORDS)]
    process = subprocess.Popen(
        words, cwd=workplace, env=build_environment(), stderr=subprocess.PIPE, text=True
    )
    assert "Starting TensorFlow and Keras" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate()
    assert process.returncode == console.EXIT_INTERRUPTED and "Traceback" not in output, output


@pytest.mark.parametrize(
    ("environment", "shell"),
    [
        ({"PYTHONIOENCODING": "ascii"}, ""),
        ({"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
        ({"TZ": "Pacific/Kiritimati"}, ""),
        ({"TMPDIR": "/nowhere"}, ""),
        ({}, "unset HOME; "),
        ({}, "exec 1>&-; "),
        ({}, "exec 2>&-; "),
        ({}, "exec 0<&-; "),
    ],
    ids=["ascii", "C", "time zone", "no TMPDIR", "no HOME", "no output", "no errors", "no input"],
)
def test_a_collection_works_whatever_the_environment(tmp_path, environment, shell):
    (tmp_path / "faces").mkdir()
    faces = write_face_folders(tmp_path / "faces" / "Gesichter für später ☃", 24)
    words = " ".join(f'"{word}"' for word in build_collect_words(faces))
    line = f'{shell}exec "{sys.executable}" -m {words}'
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=tmp_path,
        env=build_environment(**environment),
        capture_output=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len((tmp_path / "data" / "faces" / "manifest.jsonl").read_text().splitlines()) == 48


def test_output_that_nobody_reads_to_its_end_is_no_crash(workplace):
    line = (
        f'"{sys.executable}" -m detection faces --model toy --any-picture --json '
        "| head -c 10 > /dev/null; "
        'exit "${PIPESTATUS[0]}"'
    )
    done = subprocess.run(
        ["bash", "-c", line], cwd=workplace, env=build_environment(), capture_output=True, text=True
    )
    assert done.returncode in (0, console.EXIT_DISK) and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "words",
    [COLLECT_WORDS, (*TRAIN_WORDS, "--dataset", "data/faces"), ("finetuning", "--model", "toy")],
    ids=lambda words: words[0],
)
def test_a_path_where_nothing_can_be_written_is_reported_before_any_work(
    workplace, tmp_path, words
):
    (tmp_path / "file").write_text("")
    option = "--data" if words is COLLECT_WORDS else "--saved-models"
    unwritable = tmp_path / "file" / "in it"
    if words[0] == "finetuning":
        words = (words[0], "--model", str(workplace / "saved_models" / "toy"))
    more = (
        build_collect_words(workplace / "faces")[len(COLLECT_WORDS) :]
        if words is COLLECT_WORDS
        else []
    )
    done = run_command(*words, *more, option, unwritable, cwd=workplace)
    assert done.returncode == console.EXIT_DISK, done.stderr
    assert "give another path" in done.stderr and "Traceback" not in done.stderr
    assert "trial" not in done.stderr and "forward passes" not in done.stderr


@pytest.mark.parametrize("backend", ["torch", "nonsense"])
def test_a_backend_that_is_not_run_on_is_a_sentence(workplace, backend):
    done = run_command(*TRAIN_WORDS, cwd=workplace, KERAS_BACKEND=backend)
    assert done.returncode == console.EXIT_USAGE
    assert f"Keras' backend '{backend}' is not supported. Unset KERAS_BACKEND" in done.stderr
    assert "or set it to tensorflow or jax." in done.stderr
    assert "Traceback" not in done.stderr


def test_an_old_keras_is_refused_and_the_oldest_that_is_safe_is_not():
    for version in ("3.15.0", "3.9.2", "2.15.0"):
        with pytest.raises(console.PlainError, match="pip install -r requirements.txt") as caught:
            keras_startup.check_keras_version(version)
        assert caught.value.exit_code == console.EXIT_USAGE
    for version in ("3.15.1", "3.16.0.dev0", "4.0"):
        keras_startup.check_keras_version(version)


def test_without_write_permission_nothing_is_lost(tmp_path):
    """Use a file system that is read-only, because root ignores permissions."""
    faces = write_face_folders(tmp_path / "faces", 24)
    assert run_command(*build_collect_words(faces), cwd=tmp_path).returncode == 0
    folder = Path(tmp_path / "data" / "faces")
    before = (folder / "manifest.jsonl").read_bytes()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder / "images"], capture_output=True)
    if not os.path.ismount(folder / "images"):
        pytest.skip("this machine lets nobody mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro", folder / "images"], check=True)
        write_face_folders(tmp_path / "more", 30)
        done = run_command(*build_collect_words(tmp_path / "more"), cwd=tmp_path)
        assert done.returncode == console.EXIT_DISK and "allow writing there" in done.stderr, (
            done.stderr
        )
    finally:
        subprocess.run(["umount", folder / "images"], check=True)
    assert (folder / "manifest.jsonl").read_bytes().startswith(before)
