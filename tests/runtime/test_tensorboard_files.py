"""Writing TensorBoard's files."""

from toys.commands import run_program

PROGRAM = """
import sys
from pathlib import Path
from runtime import tensorboard_files
writer = tensorboard_files.open_summary_writer(Path("run"))
writer.add_scalar("loss", 0.5, 1)
writer.close()
print("torch" in sys.modules, "boto3" in sys.modules)
import boto3, torch
print(torch.Tensor.__name__)
"""


def test_a_writer_does_not_wait_for_packages_that_it_has_no_use_for(tmp_path):
    process = run_program(PROGRAM, cwd=tmp_path)
    assert process.stdout.split() == ["False", "False", "Tensor"], process.stderr
    assert list((tmp_path / "run").glob("events.*"))
