"""Folders as users have them become a data set; a killed run, repeated, gives the same one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from data_collection.collect import ensure_frozen_settings
from data_collection.dataset import manifest, splits, stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical as image_canonical
from data_collection.images import decode
from data_collection.settings import CollectionSettings
from runtime import console
from toys.commands import build_collect_words, build_environment, mount_small_disk, run_command
from toys.images import encode_image, make_image, write_face_folders


def read_rows(folder: Path) -> list[FaceRecord]:
    return manifest.read_manifest(folder / "data" / "faces")


def read_reasons(folder: Path) -> dict[str, str]:
    return {record.file: record.reason for record in read_rows(folder) if not record.accepted}


def read_times(folder: Path) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def add_trouble(faces: Path) -> None:
    """Add everything that a folder of images also holds."""
    real = faces / "real"
    photo = make_image(500)
    (real / "zz copy.jpg").write_bytes((real / "face 000.jpeg").read_bytes())
    (real / "black.png").write_bytes(encode_image(Image.new("RGB", (96, 96))))
    (real / "small.png").write_bytes(encode_image(make_image(501, 40)))
    (real / "poor.jpg").write_bytes(encode_image(make_image(502), "JPEG", quality=30))
    (real / "enlarged.png").write_bytes(
        encode_image(make_image(503, 64).resize((320, 320), Image.Resampling.BICUBIC))
    )
    (real / "empty.jpg").write_bytes(b"")
    (real / "half.png").write_bytes(encode_image(photo)[:2000])
    (real / "notes.txt").write_text("no picture")
    (real / 'it\'s a "face" 🙂.png').write_bytes(encode_image(photo))
    (real / "deep" / "er").mkdir(parents=True)
    (real / "deep" / "er" / "face.PNG").write_bytes(encode_image(make_image(504)))
    (real / ".hidden.png").write_bytes(encode_image(make_image(505)))
    (real / "__MACOSX").mkdir()
    (real / "__MACOSX" / "face.png").write_bytes(encode_image(make_image(506)))
    (real / "link.png").symlink_to(faces.parent / "secret.png")
    (faces.parent / "secret.png").write_bytes(encode_image(make_image(507)))
    os.mkfifo(real / "pipe.png")


def test_trouble_ends_in_rejected_rows_and_the_rest_is_collected(faces, tmp_path):
    add_trouble(faces)
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reasons = read_reasons(tmp_path)
    assert reasons == {
        "zz copy.jpg": "duplicate of real/face 000.jpeg",
        "black.png": "single colour",
        "small.png": "too small: square under 48 pixels",
        "poor.jpg": "low JPEG quality: under 60",
        "enlarged.png": "upscaled",
        "empty.jpg": "unreadable: empty file; get another copy",
        "half.png": reasons["half.png"],
        "notes.txt": reasons["notes.txt"],
        "link.png": "symbolic link, not followed",
        "pipe.png": "not a regular file",
    }
    assert reasons["half.png"].startswith("unreadable: damaged")
    assert reasons["notes.txt"].startswith("unreadable: not an image")
    accepted = {record.file for record in read_rows(tmp_path) if record.accepted}
    assert {'it\'s a "face" 🙂.png', "deep/er/face.PNG"} <= accepted
    assert Counter(record.label for record in read_rows(tmp_path) if record.accepted) == {
        "real": 42,
        "generated": 40,
    }


def test_originals_are_untouched_and_pictures_are_canonical(faces, tmp_path):
    before = {path: path.read_bytes() for path in faces.rglob("*.*")}
    assert run_command(*build_collect_words(faces), cwd=tmp_path).returncode == 0
    assert {path: path.read_bytes() for path in faces.rglob("*.*")} == before
    folder = tmp_path / "data" / "faces"
    for record in read_rows(tmp_path):
        data = stored_images.read_original(folder, record)
        assert data in before.values()
        canonical = image_canonical.encode_canonical_jpeg(decode.decode_face(data), record.id, 64)
        assert (folder / record.image).read_bytes() == canonical


def test_a_second_run_does_nothing_and_new_images_extend_the_set(faces, tmp_path):
    run_command(*build_collect_words(faces), cwd=tmp_path)
    first = read_times(tmp_path / "data")
    again = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert "0 new of 80" in again.stdout
    assert read_times(tmp_path / "data").keys() == first.keys()
    pictures = [path for path in first if path.suffix in (".jpg", ".png")]
    assert len(pictures) == 160
    assert {path: read_times(tmp_path / "data")[path] for path in pictures} == {
        path: first[path] for path in pictures
    }
    old = {record.id: (record.group, record.split) for record in read_rows(tmp_path)}
    more = write_face_folders(tmp_path / "more", 0)
    for number in range(30):
        (more / "real" / f"{number}.png").write_bytes(encode_image(make_image(700 + number)))
    extended = run_command(
        *build_collect_words(faces, "--real", f"folder:{more / 'real'}"), cwd=tmp_path
    )
    assert "30 new of 110" in extended.stdout
    now = {record.id: (record.group, record.split) for record in read_rows(tmp_path)}
    assert {face_id: now[face_id] for face_id in old} == old
    assert {record.source for record in read_rows(tmp_path)} == {"real", "generated", "more-real"}


def test_prompts_from_a_csv_keep_their_images_together(faces, tmp_path):
    rows = [f"face {number:03}.png,prompt {number // 10}" for number in range(40)]
    (tmp_path / "facts.csv").write_text("\n".join(["file,prompt", *rows]))
    assert (
        run_command(*build_collect_words(faces, "--facts", "facts.csv"), cwd=tmp_path).returncode
        == 0
    )
    generated = [record for record in read_rows(tmp_path) if record.label == "generated"]
    assert {
        len({(r.group, r.split) for r in generated if r.prompt == f"prompt {n}"}) for n in range(4)
    } == {1}
    assert all(
        record.prompt == ""
        for record in read_rows(tmp_path)
        if record.label == "real" and record.file[-4:] == ".png"
    )


def test_a_csv_without_the_columns_is_refused(faces, tmp_path):
    (tmp_path / "facts.csv").write_text("name,text\na,b\n")
    done = run_command(*build_collect_words(faces, "--facts", "facts.csv"), cwd=tmp_path)
    assert done.returncode == 2
    assert "has the columns name, text" in done.stderr


def test_an_image_under_both_labels_is_rejected_twice_and_warned_of(faces, tmp_path):
    shutil.copy(faces / "real" / "face 001.jpeg", faces / "generated" / "same.png")
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert done.returncode == 0
    assert read_reasons(tmp_path) == {
        "same.png": "both labels: also real/face 001.jpeg",
        "face 001.jpeg": "both labels: also generated/same.png",
    }
    assert (
        "1 image has both labels and is left out, for example real/face 001.jpeg and "
        "generated/same.png" in done.stderr
    )


def test_a_folder_collected_under_the_wrong_label_is_not_left_there(faces, tmp_path):
    wrong = build_collect_words(faces)
    wrong[-3], wrong[-1] = wrong[-1], wrong[-3]
    run_command(*wrong, cwd=tmp_path)
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert "80 images have both labels and are left out" in done.stderr
    assert not any(
        record.accepted for record in read_rows(tmp_path) if record.source == "generated"
    )


def test_lost_rows_of_the_hold_out_come_back_to_the_hold_out(faces, tmp_path):
    run_command(*build_collect_words(faces), cwd=tmp_path)
    folder = tmp_path / "data" / "faces"
    before = {record.id: record.split for record in read_rows(tmp_path)}
    manifest.replace_records(
        folder, [record for record in read_rows(tmp_path) if record.split != "hold-out"]
    )
    for number in range(40):
        (faces / "real" / f"new {number}.png").write_bytes(encode_image(make_image(600 + number)))
    assert run_command(*build_collect_words(faces), cwd=tmp_path).returncode == 0
    after = {record.id: record.split for record in read_rows(tmp_path)}
    assert {face_id: after[face_id] for face_id in before} == before
    assert len(after) == 120


def test_rows_of_a_csv_that_name_no_file_are_warned_of(faces, tmp_path):
    (tmp_path / "facts.csv").write_text("file,prompt\nface 000.png,a face\nface_1,a face\nshort\n")
    done = run_command(*build_collect_words(faces, "--facts", "facts.csv"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 rows of --facts match no file" in done.stderr


def test_a_name_that_is_no_utf_8_is_collected_like_any_other(faces, tmp_path):
    Path(os.fsdecode(os.fsencode(faces / "real") + b"/\xff\xe9.png")).write_bytes(
        encode_image(make_image(650))
    )
    assert run_command(*build_collect_words(faces), cwd=tmp_path).returncode == 0
    assert sum(record.accepted for record in read_rows(tmp_path)) == 81


@pytest.mark.parametrize("left", [0, 1, 5])
def test_too_few_images_of_a_class_stop_with_the_count(faces, tmp_path, left):
    for path in sorted((faces / "generated").iterdir())[left:]:
        path.unlink()
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert (done.returncode, f"Only {left} generated images" in done.stderr) == (2, True), (
        done.stderr
    )
    for number in range(30):
        (faces / "generated" / f"{number}.png").write_bytes(
            encode_image(make_image(800 + number, generated=True))
        )
    assert run_command(*build_collect_words(faces), cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--real", "folder:{}/real"), "has no generated images"),
        (("--generated", "folder:{}/generated"), "has no real images"),
        (("--real", "{}/real", "--generated", "openai-images:9"), "Missing: OPENAI_API_KEY"),
    ],
)
def test_a_collection_that_cannot_start_leaves_no_folder(faces, tmp_path, words, sentence):
    words = [word.format(faces) for word in words]
    done = run_command("data_collection", *words, cwd=tmp_path, OPENAI_API_KEY="")
    assert done.returncode == 2 and sentence in done.stderr, done.stderr
    assert not (tmp_path / "data").exists()


def test_other_settings_are_not_mixed_into_a_data_set(faces, tmp_path):
    run_command(*build_collect_words(faces), cwd=tmp_path)
    done = run_command(*build_collect_words(faces, "--image-size", 96), cwd=tmp_path)
    assert done.returncode == 2
    assert "was collected with --image-size 64, not 96" in done.stderr


def test_settings_under_which_nothing_was_accepted_may_be_mended(faces, tmp_path):
    done = run_command(*build_collect_words(faces, "--min-side", 200), cwd=tmp_path)
    assert done.returncode == 2 and "too small" in done.stderr
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(record.accepted for record in read_rows(tmp_path))


def test_lost_splits_are_not_made_anew(faces, tmp_path):
    run_command(*build_collect_words(faces), cwd=tmp_path)
    path = splits.splits_path(tmp_path / "data" / "faces")
    saved = path.read_bytes()
    path.unlink()
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert (done.returncode, "splits.json is missing; restore it from a copy" in done.stderr) == (
        6,
        True,
    )
    assert not path.exists()
    path.write_bytes(json.dumps({**json.loads(saved), "groups": {}}).encode())
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert "does not match manifest.jsonl" in done.stderr


@pytest.mark.parametrize("damage", ["", "[]", '{"frozen": []}', '{"frozen": 3}'])
def test_damaged_settings_are_a_sentence(faces, tmp_path, damage):
    path = tmp_path / "settings.json"
    path.write_text(damage)
    settings = CollectionSettings(data=tmp_path.parent, dataset=tmp_path.name)
    with pytest.raises(
        console.PlainError, match="settings.json is damaged; restore it from a copy"
    ):
        ensure_frozen_settings(settings, [])


def test_what_a_killed_run_left_half_written_is_swept(faces, tmp_path):
    folder = tmp_path / "data" / "faces"
    (folder / "originals" / "real" / "ab").mkdir(parents=True)
    for name in (".splits.json.1.tmp", ".settings.json.1.tmp", "originals/real/ab/.abc.jpg.1.tmp"):
        (folder / name).write_bytes(b"half")
    assert run_command(*build_collect_words(faces), cwd=tmp_path).returncode == 0
    assert not list(folder.rglob("*.tmp"))


def test_killed_at_any_moment_the_next_run_ends_with_the_same_data_set(tmp_path):
    """Send SIGKILL at random moments; the printed seed repeats a failure."""
    faces = write_face_folders(tmp_path / "faces", 120)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    assert run_command(*build_collect_words(faces), cwd=tmp_path / "whole").returncode == 0
    seed = random.randrange(10**6)
    print("seed", seed)
    generator = random.Random(seed)
    manifest_file = tmp_path / "killed" / "data" / "faces" / "manifest.jsonl"
    kills = 0
    for _ in range(8):
        rows = manifest_file.read_bytes().count(b"\n") if manifest_file.exists() else 0
        words = [sys.executable, "-m", *map(str, build_collect_words(faces))]
        process = subprocess.Popen(
            words,
            cwd=tmp_path / "killed",
            env=build_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while (
            process.poll() is None
            and (manifest_file.read_bytes() if manifest_file.exists() else b"").count(b"\n") <= rows
        ):
            time.sleep(0.002)
        time.sleep(generator.uniform(0, 0.1))
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        if manifest_file.exists():
            manifest.read_manifest(manifest_file.parent)
    assert kills
    assert run_command(*build_collect_words(faces), cwd=tmp_path / "killed").returncode == 0
    assert sorted(read_rows(tmp_path / "killed"), key=lambda r: r.key) == sorted(
        read_rows(tmp_path / "whole"), key=lambda r: r.key
    )
    killed, whole = (
        splits.read_splits(tmp_path / name / "data" / "faces") for name in ("killed", "whole")
    )
    assert killed == whole
    assert not list((tmp_path / "killed").rglob("*.tmp"))


def test_an_interrupt_says_how_to_carry_on(tmp_path):
    faces = write_face_folders(tmp_path / "faces", 150)
    words = [sys.executable, "-m", *map(str, build_collect_words(faces))]
    process = subprocess.Popen(
        words, cwd=tmp_path, env=build_environment(), stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "data" / "faces" / "images").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, output = process.communicate()
    assert process.returncode == 130
    assert "run the same command to continue" in output and "Traceback" not in output


def test_a_full_disk_stops_with_one_sentence_and_loses_nothing(faces, tmp_path):
    small = tmp_path / "small"
    with mount_small_disk(small, "600k"):
        done = run_command(*build_collect_words(faces, "--data", small), cwd=tmp_path)
        assert done.returncode == 6, done.stderr
        assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=20m", small], check=True)
        done = run_command(*build_collect_words(faces, "--data", small), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert sum(record.accepted for record in manifest.read_manifest(small / "faces")) == 80


def test_settings_are_kept_beside_the_data_set(faces, tmp_path):
    run_command(*build_collect_words(faces), cwd=tmp_path)
    saved = json.loads((tmp_path / "data" / "faces" / "settings.json").read_text())
    assert saved["frozen"]["image_size"] == 64
