"""An answer log is a file, or a sentence says why not."""

from pathlib import Path

import pytest

from detection.answer_log import open_answer_log
from runtime import console


def test_a_device_is_refused_before_anything_is_read_from_it():
    with (
        pytest.raises(console.PlainError, match="/dev/full is a device or a pipe. Name a file"),
        open_answer_log(Path("/dev/full"), card=None),
    ):
        pass
    assert not Path("/dev/full.lock").exists()


def test_a_place_where_nothing_can_be_created_is_not_called_busy():
    with pytest.raises(OSError) as caught, open_answer_log(Path("/proc/x"), card=None):
        pass
    assert "give another path" in str(console.explain_os_error(caught.value))
