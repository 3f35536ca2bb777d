"""Folders of a run, and the rooms that treat them specially."""

from pathlib import Path

from data_collection.dataset import transferred_files
from training.run_folders import SEARCHES_FOLDER, RunFolders


def test_searches_stay_with_the_data_set_and_are_not_transferred():
    folders = RunFolders(Path("data/faces"), Path("logs/training"), Path("saved_models"))
    assert folders.searches == Path("data/faces/searches")
    assert folders.search_logs == Path("logs/training/faces-search")
    assert folders.run_logs("toy") == Path("logs/training/toy")
    assert folders.detector("toy") == Path("saved_models/toy")
    files = {f"{SEARCHES_FOLDER}/a/trial.json": 1, "manifest.jsonl": 1}
    assert list(transferred_files.select_transferred(files)) == ["manifest.jsonl"]
