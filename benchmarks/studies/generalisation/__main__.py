"""`python -m benchmarks.studies.generalisation`."""

import tyro

from benchmarks.studies.generalisation import study
from runtime import console

if __name__ == "__main__":
    console.run_command(
        lambda: tyro.cli(study.main, prog="python -m benchmarks.studies.generalisation")
    )
