"""Options become sources with names of their own; a larger count is the same source."""

import pytest

from data_collection.settings import CollectionSettings
from data_collection.sources import requested_sources
from runtime import console


def list_names(**settings: object) -> list[str]:
    return [
        requested.request.source_name
        for requested in requested_sources.parse_requested_sources(CollectionSettings(**settings))
    ]


def test_without_a_source_the_projects_own_pair_is_meant():
    assert list_names() == [
        "ashwingupta3012/human-faces/versions/1",
        "SG161222/Realistic_Vision_V1.4",
    ]


def test_a_source_with_another_count_is_the_same_source():
    more = (
        "stable-diffusion:20",
        "stable-diffusion:30",
        "openai-images:edit:4@a/b",
        "openai-images:edit:5@a/b",
        "dcgan:7",
        "dcgan",
    )
    model = "SG161222/Realistic_Vision_V1.4"
    assert list_names(generated=more) == [model, model, "a/b-edit", "a/b-edit", "dcgan", "dcgan"]


def test_models_and_data_sets_of_two_owners_are_two_sources():
    assert list_names(generated=("stable-diffusion:3@alice/sd", "stable-diffusion:3@bob/sd")) == [
        "alice/sd",
        "bob/sd",
    ]
    assert list_names(real=("kaggle:3@a/people", "kaggle:3@b/people")) == ["a/people", "b/people"]


def test_folders_of_one_name_get_more_of_their_path(tmp_path):
    folders = [tmp_path / name for name in ("one/faces", "two/faces", "two/three")]
    for folder in folders:
        folder.mkdir(parents=True)
    texts = [f"folder:{folder}" for folder in (*folders, folders[0])]
    assert list_names(real=texts) == ["faces", "two-faces", "three", "faces"]
    models = [f"stable-diffusion:9@{folder}" for folder in folders[:2]]
    assert list_names(generated=models) == ["faces", "faces-2"]


def test_a_folder_under_both_labels_is_two_sources(tmp_path):
    folder = f"folder:{tmp_path}"
    assert len(set(list_names(real=(folder,), generated=(folder,)))) == 2


def test_a_store_is_named_by_its_whole_address():
    stores = ("folder:memory://2023/photos/", "folder:memory://2024/photos")
    assert list_names(real=stores) == ["memory://2023/photos", "memory://2024/photos"]


@pytest.mark.parametrize("text", ["folders:x", "stable_diffusion:3", "", ":3"])
def test_what_is_no_source_is_answered_with_examples(text):
    with pytest.raises(console.PlainError, match="Unknown source .* Available: .*folder:PATH"):
        list_names(generated=(text,))


def test_a_path_alone_is_a_folder_and_a_mistyped_one_is_suggested(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my photos").mkdir()
    for text in ("my photos", "./my photos", str(tmp_path / "my photos")):
        assert list_names(real=(text,)) == ["my photos"]
    with pytest.raises(console.PlainError, match="did you mean my photos"):
        list_names(real=("my fotos",))
    with pytest.raises(console.PlainError, match="did you mean my photos"):
        list_names(generated=("./my fotos",))
    with pytest.raises(console.PlainError, match="did you mean kaggle"):
        list_names(real=("kagle:9@a/people",))


def test_the_address_of_a_web_page_is_told_to_be_one():
    with pytest.raises(console.PlainError, match="a web page cannot be listed"):
        list_names(real=("https://example.com/faces",))
