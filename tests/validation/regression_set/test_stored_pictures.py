"""Pictures that came back are kept whole or not at all, whoever else is writing."""

import subprocess
import sys
from pathlib import Path

import pytest

from data_collection.source_types import UnavailableImage
from runtime import console
from toys.commands import build_environment
from toys.feedback import make_row
from validation.regression_set import stored_pictures
from validation.regression_set.stored_pictures import (
    RegressionSet,
    SetIsFull,
    SetLimits,
    find_by_prefix,
)

DATA = b"the bytes of a picture"


@pytest.fixture
def kept(tmp_path) -> RegressionSet:
    return RegressionSet(tmp_path / "feedback")


def list_pictures(kept: RegressionSet) -> set[str]:
    folder = kept.folder / stored_pictures.PICTURES_FOLDER
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_picture_is_kept_once_with_its_bytes(kept):
    row = make_row(DATA, kind="night", note='"quoted"\nand broken')
    assert kept.read() == []
    assert kept.add(row, DATA) is None
    assert kept.add(make_row(DATA, "generated"), DATA) == row
    assert kept.read() == [row]
    assert kept.read_picture(row) == DATA


@pytest.mark.parametrize("step", ["_write_rows", "_delete_unnamed_files"])
def test_an_interrupted_change_can_be_given_again_and_leaves_nothing(kept, monkeypatch, step):
    first, second = make_row(DATA), make_row(b"another")
    kept.add(first, DATA)

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    for change in (lambda: kept.add(second, b"another"), lambda: kept.remove(first.sha256)):
        with monkeypatch.context() as patch:
            patch.setattr(RegressionSet, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                change()
        assert all(kept.read_picture(row) for row in kept.read())
        change()
        assert list_pictures(kept) == {row.sha256 for row in kept.read()}
    assert kept.read() == [second]


ADD_TEN = """
import sys
from pathlib import Path
from toys.feedback import make_row
from validation.regression_set.stored_pictures import RegressionSet
for number in range(10):
    data = f"{sys.argv[1]} {number}".encode()
    RegressionSet(Path("feedback")).add(make_row(data), data)
"""


def test_two_processes_at_once_lose_no_picture(tmp_path):
    paths = build_environment(PYTHONPATH=":".join(map(str, sys.path)))
    processes = [
        subprocess.Popen([sys.executable, "-c", ADD_TEN, name], cwd=tmp_path, env=paths)
        for name in "ab"
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    kept = RegressionSet(tmp_path / "feedback")
    rows = kept.read()
    assert len({row.sha256 for row in rows}) == len(rows) == 20
    assert all(kept.read_picture(row) for row in rows)


@pytest.mark.parametrize(("max_pictures", "max_bytes"), [(1, 1000), (9, len(DATA) + 6)])
def test_a_set_with_limits_is_full_before_a_picture_is_written(tmp_path, max_pictures, max_bytes):
    limits = SetLimits(max_pictures=max_pictures, max_bytes=max_bytes)
    kept = RegressionSet(tmp_path / "feedback", limits)
    kept.add(make_row(DATA), DATA)
    with pytest.raises(SetIsFull):
        kept.add(make_row(b"another"), b"another")
    assert kept.add(make_row(DATA), DATA)
    assert list_pictures(kept) == {make_row(DATA).sha256}


def test_an_altered_or_missing_picture_is_not_taken_for_the_one_that_was_kept(kept):
    row = make_row(DATA)
    kept.add(row, DATA)
    (kept.folder / row.file).write_bytes(b"altered")
    with pytest.raises(UnavailableImage, match="altered"):
        kept.read_picture(row)
    (kept.folder / row.file).unlink()
    with pytest.raises(UnavailableImage, match="missing"):
        kept.read_picture(row)


@pytest.mark.parametrize("line", ["no JSON", '{"sha256": "1"}', ""])
def test_a_damaged_set_is_told_with_its_file(kept, line):
    row = make_row(DATA)
    kept.add(row, DATA)
    path = kept.folder / stored_pictures.ROWS_FILE
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(console.PlainError, match="damaged; restore it"):
        kept.read()


def test_a_row_names_no_file_outside_its_folder(kept):
    row = make_row(DATA)
    kept.add(row, DATA)
    path: Path = kept.folder / stored_pictures.ROWS_FILE
    path.write_text(path.read_text().replace(row.sha256, "/../../secret"))
    with pytest.raises(console.PlainError, match="damaged"):
        kept.read()


def test_a_hash_is_found_by_its_beginning_unless_that_is_too_short():
    row = make_row(DATA)
    assert find_by_prefix([row], row.sha256[:6].upper()) == [row]
    assert find_by_prefix([row], row.sha256[:5]) == []
