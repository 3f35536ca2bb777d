"""`python -m benchmarks.studies.sources_left_out`."""

import tyro

from benchmarks.studies.sources_left_out import study
from runtime import console

if __name__ == "__main__":
    program = "python -m benchmarks.studies.sources_left_out"
    console.run_command(lambda: study.main(tyro.cli(study.StudySettings, prog=program)))
