"""A data set is named by its name or by its path, alike in every command."""

from pathlib import Path

import pytest

from data_collection.__main__ import find_folder
from data_collection.command_settings import (
    AuditSettings,
    DownloadSettings,
    RegenerateSettings,
    RemoveSettings,
    UploadSettings,
    VerifySettings,
)
from data_collection.settings import CollectionSettings
from data_collection.stored_datasets import location
from runtime import console
from runtime.command_lines import parsing


@pytest.fixture
def data(tmp_path) -> Path:
    for name in ("faces", "portraits"):
        (tmp_path / "sets" / name).mkdir(parents=True)
        (tmp_path / "sets" / name / "manifest.jsonl").touch()
    return tmp_path / "sets"


@pytest.mark.parametrize(
    ("settings_class", "words"),
    [
        (AuditSettings, []),
        (VerifySettings, []),
        (RemoveSettings, ["kaggle"]),
        (UploadSettings, ["s3://bucket/faces"]),
        (RegenerateSettings, ["1.png"]),
    ],
)
def test_every_command_takes_a_name_and_a_path(data, settings_class, words):
    for named in ("faces", str(data / "faces")):
        settings = parsing.parse_settings(
            settings_class, "toy", [named, *words, "--data", str(data)]
        )
        assert find_folder(settings) == data / "faces"


def test_a_collection_and_a_download_take_a_name_and_a_path(data):
    assert CollectionSettings(dataset="new", data=data).folder == data / "new"
    assert CollectionSettings(dataset=str(data / "new")).folder == data / "new"
    assert DownloadSettings("s3://b/f", "new", data).folder == data / "new"
    assert DownloadSettings("s3://b/f", "./new", data).folder == Path("new")
    for wrong in ("", ".hidden", "sets/.hidden"):
        with pytest.raises(ValueError, match="give a plain name"):
            CollectionSettings(dataset=wrong)


def test_a_mistyped_data_set_is_suggested(data):
    for named in ("faecs", "sets/faecs"):
        with pytest.raises(console.PlainError, match="Did you mean .*sets/faces"):
            location.find_dataset_folder(data, Path(named))
    with pytest.raises(console.PlainError, match="is an address; .* download s3://bucket/faces"):
        location.find_dataset_folder(data, Path("s3://bucket/faces"))
    with pytest.raises(console.PlainError, match="are faces, portraits"):
        location.find_dataset_folder(data, Path("quite-another"))
    with pytest.raises(console.PlainError, match="run python -m data_collection first"):
        location.find_dataset_folder(data / "faces", Path("faces-2"))
