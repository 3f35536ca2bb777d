"""A Ray cluster of this machine generates the faces of one process, even if a worker dies."""

import os
import subprocess
import sys

import numpy as np
import pytest

from data_collection.generation import pregenerated
from data_collection.source_types import RequestedSource
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from toys.commands import REPOSITORY_ROOT, build_environment
from toys.diffusion import GENERATION_MARKS, decode_pixels, make_request

pytestmark = GENERATION_MARKS

N_FACES = 20

PROGRAM = """
import os, signal, sys
from pathlib import Path
from data_collection.generation import pregenerated, ray_generation
from data_collection.source_types import RequestedSource
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import console
from toys.diffusion import make_request

FOLDER, MODEL = map(Path, sys.argv[1:])

class DyingWorker(ray_generation.GenerationWorker):
    # the first worker that comes here generates three faces and ends by SIGKILL

    def __call__(self, chunk):
        died = FOLDER / "died"
        if not died.exists():
            died.touch()
            pregenerated.generate_missing(self.requested, self.faces[chunk[0] : chunk[0] + 3])
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(chunk)

def main():
    ray_generation.GenerationWorker, ray_generation.CANDIDATES_PER_RAY_TASK = DyingWorker, 8
    print(ray_generation.generate_missing_on_ray(
        RequestedSource("generated", STABLE_DIFFUSION, make_request(FOLDER, MODEL, 20))
    ))

console.run_command(main)
"""


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_nothing_is_generated_twice(tmp_path, model):
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    shared.mkdir()
    environment = build_environment() | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY_ROOT), str(REPOSITORY_ROOT / "tests")])
    }
    script = [sys.executable, "-c", PROGRAM, str(shared), str(model)]
    done = subprocess.run(
        script, capture_output=True, text=True, timeout=900, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (shared / "died").exists() and int(done.stdout.splitlines()[-1]) == N_FACES - 3
    requested = RequestedSource("generated", STABLE_DIFFUSION, make_request(alone, model, N_FACES))
    faces = pregenerated.list_candidates(requested)
    assert pregenerated.generate_missing(requested, faces) == N_FACES
    names = {path.relative_to(alone) for path in alone.rglob("*.png")}
    assert (
        len(names) == N_FACES
        and {path.relative_to(shared) for path in shared.rglob("*.png")} == names
    )
    for name in names:  # in a batch with other faces the last digit is rounded differently
        assert (
            np.abs(
                decode_pixels((shared / name).read_bytes())
                - decode_pixels((alone / name).read_bytes())
            ).max()
            <= 2
        )
