"""Strangers' names cannot control the terminal, tables line up, and errors end in one message."""

import errno
import os

import pytest

from runtime import console
from toys.commands import run_command


def test_control_characters_are_shown_and_not_obeyed(capsys):
    console.print_message("a\x1b[2Jb\ac")
    console.print_table("t", ["file"], [["\x1b]0;title\x07.png"]])
    list(console.track_progress([1], "\x1b[31m", 1))
    printed = capsys.readouterr()
    assert "\x1b[2J" not in printed.err and "\a" not in printed.err and "\x1b" not in printed.out
    assert "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c" in printed.err


def test_columns_of_numbers_are_aligned_to_the_right_and_words_to_the_left(capsys):
    console.print_table("", ["name", "count", "verdict"], [["a", 5, "real"], ["b", 1000, "n/a"]])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.strip()][2:]
    assert [row.rstrip() for row in rows] == [" a         5  real", " b      1000  n/a"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EACCES])
def test_a_disk_that_refuses_is_one_sentence(capsys, number):
    def command() -> None:
        raise OSError(number, "what the system says", "somewhere")

    with pytest.raises(SystemExit) as end:
        console.run_command(command)
    assert end.value.code == console.EXIT_DISK
    assert f"{os.strerror(number)} (somewhere). Finished work is saved" in capsys.readouterr().err


class RuntimeException(Exception):
    """As ONNX Runtime calls its own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM), "a package"),
        ImportError("libx.so: failed to map segment from shared object"),
        RuntimeException(
            "[ONNXRuntimeError] : 6 : Exception during initialization: std::bad_alloc"
        ),
        RuntimeException("{{node x}} OOM when allocating tensor with shape[8,16000,16000,3]"),
    ],
)
def test_too_little_memory_is_one_sentence_whichever_library_says_so(capsys, error):
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        console.run_command(command)
    assert end.value.code == console.EXIT_DISK
    assert "Out of memory. Finished work is saved" in capsys.readouterr().err


def test_an_interrupt_has_its_exit_code_wherever_it_arrives(tmp_path):
    """Interrupt inside exec(), which runs whenever a module with dataclasses is loaded."""
    (tmp_path / "interrupted.py").write_text(
        "from runtime import console\n"
        'console.run_command(lambda: exec("raise KeyboardInterrupt"))\n'
    )
    done = run_command("interrupted", cwd=tmp_path)
    assert done.returncode == console.EXIT_INTERRUPTED, done.stderr


def test_a_table_wider_than_the_terminal_breaks_no_heading_and_no_number(monkeypatch, capsys):
    monkeypatch.setattr(console.out, "_width", 60)
    columns = ["image of it", "accepted", "validation", "hold-out", "probability of generated"]
    row = ["a very long name of a file that has to be broken.png", 1000, 100, "real", "0.123"]
    console.print_table("", columns, [row])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    words = set(" ".join(lines).split())
    assert {"accepted", "validation", "hold-out", "probability", "generated", "1000"} <= words
