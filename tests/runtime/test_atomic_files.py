"""Files are complete or absent, and what is no file is not replaced by one."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from runtime import atomic_files, console


def test_a_pipe_is_written_to_and_not_replaced_by_a_file(tmp_path):
    pipe, received = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    atomic_files.write_atomically(pipe, b"scores")
    reader.join(10)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and list(tmp_path.iterdir()) == [pipe]
    assert received == [b"scores"]


def test_a_device_that_is_full_is_a_sentence_and_stays_a_device():
    with pytest.raises(OSError) as caught:
        atomic_files.write_atomically(Path("/dev/full"), b"scores")
    assert "make room" in str(console.explain_os_error(caught.value))
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


@pytest.mark.parametrize("place", ["/proc/x", "/proc/x/report/index.html", "/sys/x", "/dev/null/x"])
def test_a_place_where_the_kernel_lets_nobody_write_is_a_sentence(place):
    with pytest.raises(OSError) as caught:
        atomic_files.write_atomically(Path(place), b"scores")
    plain = console.explain_os_error(caught.value)
    assert plain.exit_code == console.EXIT_DISK
    assert "give another path" in str(plain) or "allow writing there" in str(plain)


def test_a_missing_file_elsewhere_is_not_taken_for_a_bad_output(tmp_path):
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", str(tmp_path / "weights"))
    assert console.explain_os_error(error) is None
