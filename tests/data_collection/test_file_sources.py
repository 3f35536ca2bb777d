"""Files are listed and checked before anything is collected."""

from pathlib import Path

import pytest

from data_collection import file_sources
from data_collection.collect import collect_dataset
from data_collection.dataset import manifest
from data_collection.facts.facts_csv import read_facts
from data_collection.settings import CollectionSettings
from data_collection.sources.requested_sources import parse_requested_sources
from runtime import console
from toys.images import encode_image, make_image

FOLDERS = ("train/real", "train/fake", "valid/real", "valid/fake", "test/real", "test/fake")


def write_pictures(root: Path, *folders: str, count: int = 3) -> Path:
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            data = encode_image(make_image(hash_name(folder) + number))
            (root / folder / f"{number}.png").write_bytes(data)
    return root


def hash_name(folder: str) -> int:
    return sum(map(ord, folder)) * 100


def list_files(tmp_path: Path, facts: str = "", **sources: tuple[str, ...]) -> list:
    (tmp_path / "facts.csv").write_text(facts)
    settings = CollectionSettings(data=tmp_path / "data", **sources)
    rows = read_facts([tmp_path / "facts.csv"]) if facts else []
    return file_sources.list_files(parse_requested_sources(settings), rows, [])


def test_a_folder_of_both_classes_stops_before_anything_is_taken_and_the_part_is_named(tmp_path):
    root = write_pictures(tmp_path / "set", *FOLDERS)
    generated = write_pictures(tmp_path / "generated", "ann")
    settings = CollectionSettings(
        real=(f"folder:{root}",),
        generated=(f"folder:{generated}",),
        data=tmp_path / "data",
        audit=False,
    )
    with pytest.raises(console.PlainError) as caught:
        collect_dataset(settings)
    assert caught.value.exit_code == console.EXIT_USAGE
    text = str(caught.value)
    assert text.startswith("9 of 18 files of set contradict --real")
    assert "test/fake/0.png and valid/fake/2.png" in text
    part = text.partition("as in --real ")[2].partition(";")[0]
    assert part == f"folder:{root}/test/real"
    assert not manifest.manifest_path(settings.folder).exists()
    [faces] = list_files(tmp_path, real=(part,))
    assert len(faces) == 3


def test_names_above_the_folder_do_not_count(tmp_path):
    root = write_pictures(tmp_path / "fake" / "real" / "generated", "ann", "ben")
    [faces] = list_files(tmp_path, real=(f"folder:{root}",))
    assert len(faces) == 6


def test_a_folder_that_says_the_label_or_nothing_is_taken(tmp_path):
    root = write_pictures(tmp_path / "pictures", "real", "Humans", "real_vs_fake")
    assert len(list_files(tmp_path, real=(f"folder:{root}",))[0]) == 9


@pytest.mark.parametrize(("label", "folder"), [("real", "ai"), ("generated", "nature")])
def test_one_class_alone_under_the_other_label_is_refused(tmp_path, label, folder):
    root = write_pictures(tmp_path / "pictures", folder)
    with pytest.raises(console.PlainError, match=f"3 of 3 files of pictures contradict --{label}"):
        list_files(tmp_path, **{label: (f"folder:{root}",)})
    assert len(list_files(tmp_path, **{label: (f"folder:{root / folder}",)})[0]) == 3


def test_persons_and_generators_with_one_file_name_keep_their_own_facts(tmp_path):
    persons = write_pictures(tmp_path / "persons", "n1", "n2")
    write_pictures(tmp_path, "gen/sdxl", "gen/flux")
    rows = [f"{name}/{number}.png,{name}" for name in ("n1", "n2") for number in range(3)]
    rows += [f"{name}/{number}.png,{name}" for name in ("sdxl", "flux") for number in range(3)]
    real, sdxl, flux = list_files(
        tmp_path,
        "\n".join(["file,person", *rows]),
        real=(f"folder:{persons}",),
        generated=(f"folder:{tmp_path / 'gen/sdxl'}", f"folder:{tmp_path / 'gen/flux'}"),
    )
    assert [(face.file, face.person) for face in real] == [
        (f"{name}/{number}.png", name) for name in ("n1", "n2") for number in range(3)
    ]
    assert {face.person for face in sdxl} == {"sdxl"} and {face.person for face in flux} == {"flux"}


def test_a_source_image_that_several_photographs_have_is_refused(tmp_path):
    persons = write_pictures(tmp_path / "persons", "n1", "n2")
    drawn = write_pictures(tmp_path / "drawn", "a")
    sources = {"real": (f"folder:{persons}",), "generated": (f"folder:{drawn}",)}
    with pytest.raises(console.PlainError, match=r"means 2 photographs, n1/1\.png and n2/1\.png"):
        list_files(tmp_path, "file,source_image\na/0.png,1.png\n", **sources)
    _, faces = list_files(tmp_path, "file,source_image\na/0.png,n2/1.png\n", **sources)
    assert faces[0].source_image == "n2/1.png"
