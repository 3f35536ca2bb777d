"""The first word of a command line runs its sub-command, or is told to be none."""

import pytest

from runtime import console
from runtime.command_lines import sub_commands


def run(
    words: list[str], takes_paths: bool = False, named_option: str = ""
) -> tuple[str, list[str]]:
    """Return which command ran, and with which words."""
    ran = []
    sub_commands.run_sub_command(
        "detection",
        {"models": lambda rest: ran.append(("models", rest))},
        lambda rest: ran.append(("default", rest)),
        words,
        takes_paths,
        named_option,
    )
    return ran[0]


def test_a_sub_command_takes_the_rest_of_the_words():
    assert run(["models", "use", "x"]) == ("models", ["use", "x"])
    assert run([]) == ("default", [])
    assert run(["--json", "models"]) == ("default", ["--json", "models"])
    assert run(["help"]) == ("default", ["--help"])


def test_a_mistyped_sub_command_is_suggested(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for takes_paths in (True, False):
        with pytest.raises(console.PlainError, match="did you mean `python -m detection models`"):
            run(["modles"], takes_paths)
    with pytest.raises(console.PlainError, match="There is no command faces; .* lists"):
        run(["faces"])


def test_a_name_without_its_option_is_told_the_option():
    with pytest.raises(console.PlainError, match="mean `python -m detection --model my-1`"):
        run(["my-1"], named_option="--model")
    with pytest.raises(console.PlainError, match="did you mean `python -m detection models`"):
        run(["modles"], named_option="--model")


def test_a_file_is_no_mistyped_sub_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modles").touch()
    assert run(["modles"], takes_paths=True) == ("default", ["modles"])
    assert run(["photo.jpg"], takes_paths=True) == ("default", ["photo.jpg"])
