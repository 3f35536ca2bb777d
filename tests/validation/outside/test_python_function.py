"""A function gets copies of the originals, and whatever it gives but probabilities is refused."""

from pathlib import Path

import pytest

from runtime import console
from toys.outside_models import write_module
from toys.validations import new_faces
from validation.data.evaluation_set import EvaluationSet
from validation.data.image_folder import read_image_folder
from validation.outside import python_function
from validation.outside.python_function import open_function


@pytest.fixture
def data(tmp_path, monkeypatch) -> EvaluationSet:
    write_module(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    folder = new_faces(tmp_path / "photos", 6, 6)
    records, _ = read_image_folder(folder, None, "centre")
    return EvaluationSet(name="photos", folder=folder, records=records)


def test_it_is_called_with_copies_of_a_few_originals_at_once_which_are_deleted(data, monkeypatch):
    monkeypatch.setattr(python_function, "CALL_IMAGES", 5)
    Path("paths.txt").unlink(missing_ok=True)
    probabilities = open_function(Path("judges:score")).score_images(data).probabilities
    assert probabilities.shape == (12,) and len(set(probabilities.tolist())) > 3
    paths = list(map(Path, Path("paths.txt").read_text().splitlines()))
    assert [path.name for path in paths] == [f"{record.id}.png" for record in data.records]
    assert len({path.parent for path in paths}) == 3 and not any(map(Path.exists, paths))
    assert not [path for path in paths if "real" in str(path) or "fake" in str(path)]


def test_a_column_of_probabilities_is_taken(data):
    probabilities = open_function(Path("judges:column")).score_images(data).probabilities
    assert probabilities.tolist() == pytest.approx([number / 11 for number in range(12)])


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        ("raises", "raised ValueError: no GPU here"),
        ("leaves", "raised SystemExit: bye"),
        ("short", r"returned numbers of the shape \(1,\) for 12 paths"),
        ("table", r"returned numbers of the shape \(12, 2\) for 12 paths"),
        ("not_a_number", "no probabilities for 1 of 12 paths, such as nan"),
        ("logits", "no probabilities for 12 of 12 paths, such as 3.2"),
        ("words", "raised ValueError: could not convert"),
        ("nothing", r"returned numbers of the shape \(\) for 12 paths"),
    ],
)
def test_whatever_is_not_one_probability_per_path_is_refused_in_a_sentence(data, function, fault):
    with pytest.raises(console.PlainError, match=fault) as caught:
        open_function(Path(f"judges:{function}")).score_images(data)
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
