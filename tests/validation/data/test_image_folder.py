"""Folders of images get their classes and sources from the names of their folders, at any depth."""

from pathlib import Path

import pytest

from runtime import console
from toys.images import encode_image, make_image
from validation.data.image_folder import read_image_folder


def write_layout(root: Path, *folders: str) -> Path:
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        (root / folder / "1.png").write_bytes(encode_image(make_image(100 * number)))
    return root


def read_classes(root: Path, label: str | None = None) -> dict[str, tuple[str, str]]:
    records, rejected = read_image_folder(root, label, "centre")
    assert rejected == []
    return {record.file.removesuffix("/1.png"): (record.label, record.source) for record in records}


LAYOUTS = {
    "ForenSynths": {
        "progan/0_real": ("real", "progan"),
        "progan/1_fake": ("generated", "progan"),
        "biggan/1_fake": ("generated", "biggan"),
    },
    "GenImage": {
        "ADM/val/nature": ("real", "ADM"),
        "ADM/val/ai": ("generated", "ADM"),
        "VQDM/val/ai": ("generated", "VQDM"),
    },
    "140k faces": {
        "real_vs_fake/real-vs-fake/test/real": ("real", "real"),
        "real_vs_fake/real-vs-fake/test/fake": ("generated", "fake"),
        "real_vs_fake/real-vs-fake/train/fake": ("generated", "fake"),
    },
    "CIPLAB": {
        "real_and_fake_face/training_real": ("real", "training_real"),
        "real_and_fake_face/training_fake": ("generated", "training_fake"),
    },
    "CIFAKE": {"test/REAL": ("real", "REAL"), "test/FAKE": ("generated", "FAKE")},
    "human and ai": {"Human": ("real", "Human"), "AiArtData": ("generated", "AiArtData")},
    "generators below": {"real": ("real", "real"), "fake/sdxl": ("generated", "sdxl")},
}


SPLIT_FOLDERS = ("train/real", "train/fake", "test/real", "test/fake")


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_public_data_sets_are_understood(tmp_path, name):
    root = write_layout(tmp_path / "set", *LAYOUTS[name])
    assert read_classes(root) == LAYOUTS[name]


def test_splits_are_taken_together_said_so_and_can_be_taken_alone(tmp_path, capsys):
    root = write_layout(tmp_path / "set", *(f"a/{name}" for name in SPLIT_FOLDERS))
    assert len(read_classes(root)) == 4
    output = " ".join(capsys.readouterr().err.split())
    assert "The folders test, train of" in output and "name one of them" in output
    assert set(read_classes(root / "a/test")) == {"real", "fake"}
    assert capsys.readouterr().err == ""


def test_a_label_that_a_folder_contradicts_is_refused(tmp_path):
    root = write_layout(tmp_path / "set", "a/training_real", "a/training_fake")
    with pytest.raises(
        console.PlainError,
        match=r"subfolder `a/training_fake`, but --label is real: 1 of 2 files contradicts it, "
        r"such as a/training_fake/1\.png",
    ):
        read_image_folder(root, "real", "centre")
    (row,), _ = read_image_folder(root / "a/training_real", "real", "centre")
    assert (row.label, row.source) == ("real", "training_real")


def test_an_empty_folder_contradicts_a_label_too(tmp_path):
    (tmp_path / "generated").mkdir()
    with pytest.raises(console.PlainError, match="subfolder `generated`, but --label is real"):
        read_image_folder(tmp_path, "real", "centre")


def test_folders_that_say_nothing_are_a_sentence_with_the_names_that_are_known(tmp_path):
    root = write_layout(tmp_path / "set", "faces", "others")
    with pytest.raises(console.PlainError, match="0_real and 1_fake, nature and ai") as caught:
        read_image_folder(root, None, "centre")
    assert "--label real" in str(caught.value)


def test_a_file_below_folders_of_both_classes_is_rejected(tmp_path):
    root = write_layout(tmp_path / "set", "fake/nature", "real", "fake/dogs")
    records, rejected = read_image_folder(root, None, "centre")
    assert rejected == [("fake/nature/1.png", "the folders above it name both classes")]
    assert len(records) == 2
