"""The examples of docs/scale: the commands that the Slurm scripts run, with stubs for Slurm's own,
and the Kubernetes schema."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate as validate
import pytest
import yaml

from toys.commands import REPOSITORY_ROOT
from training.settings import TrainingSettings

EXAMPLES = REPOSITORY_ROOT / "docs" / "scale"

STUBS = {
    "scontrol": 'printf "node1\\nnode2\\nnode3\\n"',
    # One task per given node, or per node of the job.
    "srun": """
while [[ "${1:-}" == --* ]]; do options="${options:-} $1"; shift; done
if [[ "${options:-}" == *nodelist* ]]; then ON=${options##*=} "$@"; exit; fi
for SLURM_PROCID in 0 1 2; do export SLURM_PROCID; "$@"; done
""",
    "ray": '[ "$1" = status ] || echo "ray $* on $ON" >> "$COMMANDS"',
    "python": 'echo "${KERASTUNER_TUNER_ID:-} ${KERASTUNER_ORACLE_IP:-}${RAY_ADDRESS:-} '
    'python $*" >> "$COMMANDS"',
}


def run_script(
    script: str, folder: Path, *words: str
) -> tuple[subprocess.CompletedProcess, list[str]]:
    """Run a script in a folder with a virtual environment; return its outcome and its commands,
    sorted."""
    binaries = folder / "bin"
    binaries.mkdir()
    for name, body in STUBS.items():
        (binaries / name).write_text(f"#!{shutil.which('bash')}\n{body}\n")
        (binaries / name).chmod(0o755)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text("")
    commands = folder / "commands"
    commands.touch()
    slurm = {
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_CPUS_PER_TASK": "16",
        "COMMANDS": str(commands),
    }
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(EXAMPLES / script), *words]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | slurm | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, sorted(commands.read_text().splitlines())


def test_features_start_ray_on_every_node_and_train_with_it(tmp_path):
    done, commands = run_script("features.sbatch", tmp_path, "data/faces")
    assert done.returncode == 0, done.stderr
    *training, first, second, head = commands
    assert training == [" node1:6379 python -m training --dataset data/faces --engine ray"]
    assert (
        head == "ray start --head --port=6379 --num-cpus=16 --disable-usage-stats --block on node1"
    )
    assert [first, second] == [
        f"ray start --address=node1:6379 --num-cpus=16 --disable-usage-stats --block on {node}"
        for node in ("node2", "node3")
    ]


def test_a_search_has_one_chief_and_workers_of_different_names(tmp_path):
    done, commands = run_script("search.sbatch", tmp_path, "data/faces")
    assert done.returncode == 0, done.stderr
    assert commands == [
        f"{name} node1 python -m training --dataset data/faces --name shared"
        for name in ("chief", "tuner0", "tuner1")
    ]


@pytest.mark.parametrize("script", ["features.sbatch", "search.sbatch"])
def test_without_a_data_set_a_script_says_what_is_missing(tmp_path, script):
    done, commands = run_script(script, tmp_path)
    assert (
        done.returncode != 0
        and "name the data set, such as data/faces" in done.stderr
        and not commands
    )


def test_options_in_the_examples_exist():
    text = "".join(path.read_text() for path in EXAMPLES.iterdir())
    lines = re.findall(r"-m,? training(?:.*)", text)
    options = {word for line in lines for word in re.findall(r"--([a-z-]+)", line)}
    assert (
        options == {"dataset", "engine", "name"}
        and options <= TrainingSettings.__dataclass_fields__.keys()
    )


def test_kubernetes_knows_every_field():
    objects = list(yaml.safe_load_all((EXAMPLES / "search.yaml").read_text()))
    assert [document["kind"] for document in objects] == ["Service", "Job", "Job"]
    for document in objects:
        validate.validate(document, validate.latest_version(), strict=True)
    objects[1]["spec"]["backofLimit"] = 1
    with pytest.raises(validate.ValidationError):
        validate.validate(objects[1], validate.latest_version(), strict=True)
