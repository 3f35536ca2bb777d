"""A detector is scored from the bytes that were checked."""

import dataclasses
import shutil

import pytest

from runtime import console
from training.detectors import ready_detectors, saved_models
from training.detectors.card import read_card
from validation import predictions


def test_a_file_that_is_exchanged_after_the_check_is_not_opened(tmp_path):
    ready = ready_detectors.READY_FOLDER / "telltale-faces"
    folder = tmp_path / "detector"
    folder.mkdir()
    shutil.copyfile(ready / saved_models.ONNX_FILE, folder / saved_models.ONNX_FILE)
    card = dataclasses.replace(read_card(ready), baselines={})
    (scorer,) = predictions.load_scorers(folder, card)
    (folder / saved_models.ONNX_FILE).write_bytes(b"another model")
    with pytest.raises(console.PlainError, match="was altered since it was saved") as caught:
        _ = scorer.score
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
