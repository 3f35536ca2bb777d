"""Rows of a CSV file find their images, and their columns become attributes."""

from pathlib import Path

import pytest

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from validation.data.evaluation_set import EvaluationSet
from validation.data.image_facts import add_facts, read_facts
from validation.data.image_rows import match_rows, read_image_rows


def make_set(names=("a/1.jpg", "b/1.jpg", "b/2.jpg")) -> EvaluationSet:
    records = []
    for number, name in enumerate(names):
        image_id = f"{number:064x}"
        records.append(
            FaceRecord(
                id=image_id,
                label="real",
                source="photos",
                file=name,
                status="accepted",
                original=f"originals/real/{image_id[:2]}/{image_id}.jpg",
            )
        )
    return EvaluationSet(name="photos", folder=Path("data/faces"), records=records)


def write_csv(tmp_path, text: str) -> Path:
    path = tmp_path / "facts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def match_text(tmp_path, text: str):
    return match_rows(read_image_rows(write_csv(tmp_path, text)), make_set())


@pytest.mark.parametrize(
    "key",
    [
        f"sha256\n{1:064X}",
        "file\nb/1.jpg",
        "path\nD:/photos/b/1.jpg",
        r"path" + "\nC:\\photos\\b\\1.jpg",
        f"path\ndata/faces/originals/real/00/{1:064x}.jpg",
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_row_finds_its_image_by_hash_or_by_the_end_of_its_path(tmp_path, key, separator):
    header, cell = key.split("\n")
    text = f"\ufeff{header.upper()}{separator}Age\n{cell}{separator}old\n"
    matched = match_text(tmp_path, text)
    assert matched.cells == {f"{1:064x}": {"age": "old"}} and matched.unmatched == []


def test_rows_that_name_no_image_are_kept_apart(tmp_path):
    matched = match_text(tmp_path, f"file,sha256,age\n9.jpg,,old\nb/2.jpg,{9:064x},old\n,,old\n")
    assert matched.cells == {}
    assert [row.origin for row in matched.unmatched] == [f"line {n} of facts.csv" for n in (2, 3)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,age\n1.jpg,old\n", "line 2 of facts.csv means 2 images. Write more"),
        ("file,age\na/1.jpg,old\na/1.jpg,young\n", "line 2 of facts.csv and line 3 of facts.csv"),
    ],
)
def test_rows_that_are_ambiguous_or_disagree_are_refused(tmp_path, text, sentence):
    with pytest.raises(console.PlainError, match=sentence):
        match_text(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("age\nold\n", "It needs one that names the images"),
        ("file,person\na/1.jpg,ann\n", "says nothing about an image"),
        ("file,age,age\na/1.jpg,old,old\n", "has the column `age` twice"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path, text, sentence):
    with pytest.raises(console.PlainError, match=sentence):
        read_facts(write_csv(tmp_path, text))
    with pytest.raises(console.PlainError, match="Cannot read"):
        read_facts(tmp_path / "nosuch.csv")


def test_columns_become_attributes_and_those_of_a_collection_do_not(tmp_path, capsys):
    path = write_csv(tmp_path, "file,person,Skin tone\na/1.jpg,ann,dark\nx.jpg,bob,light\n")
    data = add_facts(make_set(), read_facts(path))
    assert [record.attributes for record in data.records] == [{"skin tone": "dark"}, {}, {}]
    printed = " ".join(capsys.readouterr().err.split())
    assert "says something about 1 of 3 images" in printed
    assert "1 of 2 rows" in printed and "such as line 3 of facts.csv" in printed


def test_many_different_numbers_become_ranges_and_few_stay(tmp_path):
    names = [f"{number}.jpg" for number in range(40)]
    rows = [f"{name},{18 + number},{number % 3}" for number, name in enumerate(names)]
    facts = read_facts(write_csv(tmp_path, "\n".join(["file,age,scale", *rows])))
    records = add_facts(make_set(names), facts).records
    ages = [record.attributes["age"] for record in records]
    assert list(dict.fromkeys(ages)) == ["18 to 27", "28 to 37", "38 to 47", "48 to 57"]
    assert {record.attributes["scale"] for record in records} == {"0", "1", "2"}
