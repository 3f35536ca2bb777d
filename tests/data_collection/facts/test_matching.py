"""Facts reach the file that a row means by its path, or nobody."""

import unicodedata

import pytest

from data_collection.facts.facts_csv import FactRow
from data_collection.facts.matching import match_facts
from data_collection.facts.path_index import IndexedFile
from runtime import console


def list_files(root: str, *names: str) -> list[IndexedFile]:
    return [IndexedFile(f"{root}/{name}", name) for name in names]


def match_persons(files: list[IndexedFile], *rows: tuple[str, str]) -> dict[str, str]:
    facts = match_facts(
        [
            FactRow(file, {"person": person}, f"line {line} of facts.csv")
            for line, (file, person) in enumerate(rows, 2)
        ],
        files,
    )
    return {path: known["person"] for path, known in facts.items()}


PERSONS = list_files("/data/real", "n1/1.jpg", "n1/2.jpg", "n2/1.jpg", "n2/3.jpg")


def test_files_of_one_name_get_the_facts_of_their_own_path():
    rows = [(file.below, file.below[:2]) for file in PERSONS]
    assert match_persons(PERSONS, *rows) == {file.whole: file.below[:2] for file in PERSONS}


@pytest.mark.parametrize(
    "row",
    [
        "n2/1.jpg",
        "real/n2/1.jpg",
        "/data/real/n2/1.jpg",
        "/another/machine/n2/1.jpg",
        r"C:\pictures\n2\1.jpg",
        r"n2\1.jpg",
        "./n2//1.jpg",
        "../real/n2/1.jpg",
    ],
)
def test_a_row_may_begin_at_any_folder(row):
    assert match_persons(PERSONS, (row, "p")) == {"/data/real/n2/1.jpg": "p"}


@pytest.mark.parametrize(("stored", "written"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_letters_are_alike(stored, written):
    name = "Jürgen/müller.png"
    files = list_files("/data/real", unicodedata.normalize(stored, name))
    row = (unicodedata.normalize(written, name), "p")
    assert match_persons(files, row) == {files[0].whole: "p"}


def test_a_bare_name_serves_where_one_file_has_it_and_is_refused_where_several_do():
    assert match_persons(PERSONS, ("3.jpg", "p")) == {"/data/real/n2/3.jpg": "p"}
    with pytest.raises(
        console.PlainError,
        match=r"1\.jpg \(line 2 of facts\.csv\) means 2 files, n1/1\.jpg, n2/1\.jpg; write more",
    ) as caught:
        match_persons(PERSONS, ("1.jpg", "p"))
    assert caught.value.exit_code == console.EXIT_USAGE


def test_a_name_in_two_sources_is_ambiguous_unless_its_folder_is_written():
    files = [*list_files("/g/sdxl", "0.png"), *list_files("/g/flux", "0.png")]
    rows = [("sdxl/0.png", "a"), ("flux/0.png", "b")]
    assert match_persons(files, *rows) == {"/g/sdxl/0.png": "a", "/g/flux/0.png": "b"}
    assert match_persons(files, rows[0]) == {"/g/sdxl/0.png": "a"}
    with pytest.raises(console.PlainError, match="means 2 files"):
        match_persons(files, ("0.png", "a"))


def test_the_longest_end_comes_first_and_a_shorter_row_means_the_file_that_is_left():
    files = list_files("/data/real", "1.jpg", "n1/1.jpg")
    rows = [("1.jpg", "top"), ("n1/1.jpg", "n1")]
    assert match_persons(files, *rows) == {"/data/real/1.jpg": "top", "/data/real/n1/1.jpg": "n1"}


def test_another_folder_of_the_same_name_is_not_meant(capsys):
    assert match_persons(PERSONS, ("n3/1.jpg", "p")) == {}
    assert "1 row of --facts matches no file, for example n3/1.jpg" in capsys.readouterr().err


def test_two_rows_that_disagree_are_refused_and_two_that_complete_each_other_are_not():
    with pytest.raises(
        console.PlainError,
        match=r"line 2 of facts\.csv and line 3 of facts\.csv say different things about "
        r"n1/2\.jpg: person a and b",
    ) as caught:
        match_persons(PERSONS, ("n1/2.jpg", "a"), ("2.jpg", "b"))
    assert caught.value.exit_code == console.EXIT_USAGE
    rows = [FactRow("n1/2.jpg", {"person": "a"}, ""), FactRow("2.jpg", {"prompt": "x"}, "")]
    assert match_facts(rows, PERSONS) == {"/data/real/n1/2.jpg": {"person": "a", "prompt": "x"}}
