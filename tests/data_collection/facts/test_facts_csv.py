"""CSV files of facts: columns in any capitals, sentences for what cannot be used."""

import pytest

from data_collection.facts.facts_csv import read_facts
from runtime import console


def read_rows(path, text: str) -> list[tuple[str, dict]]:
    path.write_text(text)
    return [(row.file, dict(row.facts)) for row in read_facts([path])]


def test_columns_are_taken_in_any_capitals_and_unknown_ones_are_passed_over(tmp_path):
    text = "File, Prompt ,note,SEED\na.png,a face,x,3\nb.png,,y,\n,nobody,,\n"
    assert read_rows(tmp_path / "facts.csv", text) == [
        ("a.png", {"prompt": "a face", "seed": 3}),
        ("b.png", {}),
    ]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_column_path_are_taken_too(tmp_path, separator):
    text = "path,prompt\na.png,a face\n".replace(",", separator)
    assert read_rows(tmp_path / "facts.csv", text) == [("a.png", {"prompt": "a face"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,prompt,Prompt\na.png,x,y\n", "has the column `prompt` twice"),
        ("file_name,prompt\na.png,x\n", "has the columns file_name, prompt; it needs `file`"),
        ("", r"has the columns \(none\)"),
        ("file,seed\na.png,many\n", "has the seed 'many'"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(tmp_path, text, message):
    with pytest.raises(console.PlainError, match=message):
        read_rows(tmp_path / "facts.csv", text)
