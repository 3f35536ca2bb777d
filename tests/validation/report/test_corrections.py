"""The commands below the most wrong images do what they say when they are pasted into a shell."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from data_collection.__main__ import run_correct_command
from data_collection.dataset import manifest
from data_collection.stored_datasets.corrections import read_corrections
from toys.datasets import collect_records
from toys.face_records import write_toy_records
from validation.data.evaluation_set import EvaluationSet
from validation.report.corrections import list_correct_commands

ODD_NAMES = ("a b.jpg", "it's.jpg", 'say "hi".jpg', "--drop", "new\nline.jpg", "$(exit).jpg")
ODD_SOURCES = {"real": "-photos of Ann's", "generated": 'from "a; b"'}


@pytest.fixture
def data(tmp_path) -> EvaluationSet:
    """A data set whose folder, sources and files have odd names."""
    folder = tmp_path / "data" / "Ann's new\nfaces"
    records = [
        dataclasses.replace(record, file=ODD_NAMES[number % 6], source=ODD_SOURCES[record.label])
        for number, record in enumerate(write_toy_records(folder, 12))
    ]
    collect_records(folder, records)
    records = [record for record in manifest.read_manifest(folder) if record.accepted]
    return EvaluationSet(name="odd", folder=folder, records=records)


def paste(command: str) -> None:
    words = shlex.split(command)
    assert words[:4] == ["python", "-m", "data_collection", "correct"]
    run_correct_command(words[4:])


def find_states(folder: Path, id: str) -> list[tuple[str, str]]:
    rows = manifest.read_manifest(folder)
    return [(row.label, row.source) for row in rows if row.accepted and row.id == id]


@pytest.mark.parametrize("split", ["train", "hold-out"])
@pytest.mark.parametrize("label", manifest.LABELS)
def test_a_pasted_command_drops_or_relabels_the_image_above_it(data, split, label):
    first, second, *_ = [
        record for record in data.records if (record.split, record.label) == (split, label)
    ]
    commands = list_correct_commands(data, [first.id, second.id])
    drop, relabel = commands[first.id][0], commands[second.id][1]
    assert ("--change-hold-out" in drop, "--change-hold-out" in relabel) == (
        (split == "hold-out",) * 2
    )
    paste(drop)
    paste(relabel)
    assert find_states(data.folder, first.id) == []
    (other,) = [name for name in manifest.LABELS if name != label]
    assert find_states(data.folder, second.id) == [(other, ODD_SOURCES[other])]
    steps = read_corrections(data.folder)
    assert [step.because for step in steps] == ["not a face", "wrong label"]


def test_where_several_sources_could_be_the_new_one_only_the_drop_is_offered(data):
    records = [
        dataclasses.replace(record, source=f"{record.source} {number % 2}")
        for number, record in enumerate(data.records)
    ]
    several = dataclasses.replace(data, records=records)
    ((command,),) = list_correct_commands(several, [records[0].id]).values()
    assert "--drop" in command


def test_images_of_a_plain_folder_have_no_commands(data, tmp_path):
    plain = dataclasses.replace(data, folder=tmp_path)
    assert list_correct_commands(plain, [data.records[0].id]) == {}
