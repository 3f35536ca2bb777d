"""A slip at the command line is answered by a sentence: what happened, and what to do."""

import pytest

from toys.commands import REPOSITORY_ROOT, run_command

READY = REPOSITORY_ROOT / "saved_models" / "telltale-faces"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["detection", "--model", READY / "detector.onnx", "a.jpg"], f"Give its folder: {READY}."),
        (
            ["validation", "--data", "data/bare", "--model", READY],
            "data/bare holds no accepted im",
        ),
        (["finetuning", "--model", "telltale-faces"], "Collect some of your own"),
        (["telltale", "telltale-faces", "detect"], "There is no command telltale-faces"),
        (["detection", "--models", "telltale-faces", "a.jpg"], "did you mean --model?"),
    ],
    ids=[
        "a file of a model",
        "an empty manifest",
        "no pictures",
        "wrong order",
        "a plural",
    ],
)
def test_the_sentence_says_what_to_do(command, sentence, tmp_path):
    (tmp_path / "data" / "bare").mkdir(parents=True)
    (tmp_path / "data" / "bare" / "manifest.jsonl").touch()
    done = run_command(*command, cwd=tmp_path)
    assert done.returncode in (2, 8), done.stderr
    assert sentence in done.stderr.replace("\n", " ") and "Traceback" not in done.stderr
