"""A mistyped name or path is told before a library that takes seconds to start."""

import pytest

from toys.commands import ROOMS, run_program

SLOW_LIBRARIES = ("tensorflow", "keras", "torch", "jax")

COMMANDS = [
    *("training --dataset data/nosuch", "training --data nosuch", "training --weights nosuch.h5"),
    *("finetuning --model nosuch", "finetuning --saved-models nosuch"),
    *(
        f"validation --model telltale-faces --against nosuch{end}"
        for end in (".onnx", ".csv", ":f")
    ),
    "validation --model telltale-faces --facts nosuch.csv",
    *("validation --model nosuch", "validation --saved-models nosuch"),
    *(f"validation {name} --dataset nosuch" for name in ("cross-generator", "leave-source-out")),
    *(f"validation {name} --data nosuch" for name in ("cross-generator", "leave-source-out")),
    *("detection export --model nosuch", "detection publish a/b --model nosuch"),
    *("detection --model nosuch a.jpg", "detection web --model nosuch"),
    "detection calibrate --real folder:nosuch",
    "detection models use nosuch",
    "data_collection --real folder:nosuch --generated folder:nosuch2",
    *(f"data_collection {name} data/nosuch" for name in ("audit", "verify")),
    "data_collection remove data/nosuch source",
    "data_collection correct data/nosuch --history",
    "data_collection regenerate data/nosuch file",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_told_in_a_sentence_and_nothing_slow_was_imported(command, tmp_path):
    if "--weights" in command:
        (tmp_path / "data" / "faces").mkdir(parents=True)
        (tmp_path / "data" / "faces" / "manifest.jsonl").touch()
    room, *words = command.split()
    assert room in ROOMS
    program = f"""
import runpy, sys
sys.argv = {[room, *words]}
try:
    runpy.run_module({room!r}, run_name="__main__")
except SystemExit as end:
    slow = sorted(set({SLOW_LIBRARIES}) & set(sys.modules))
    sys.exit(f"imported {{slow}}" if slow else end.code)
"""
    done = run_program(program, cwd=tmp_path)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Detector: ")]
    assert done.returncode in (2, 8) and len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ") and "nosuch" in lines[0]
