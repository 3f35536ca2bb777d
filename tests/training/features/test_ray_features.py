"""Features from a Ray cluster equal those from one process, even if a worker is killed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_collection.dataset import manifest
from runtime import atomic_files, console, hashing, ray_cluster
from toys.commands import REPOSITORY_ROOT, build_environment
from toys.images import encode_image, make_image
from training.bases import weights
from training.features import feature_cache
from training.features.extractor import Extractor

N_IMAGES, N_VIEWS = 40, 2

CLUSTER_SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from data_collection.dataset import manifest
from training.bases import weights
from training.features import compute_features, feature_cache, ray_features
from training.features.extractor import Extractor

FOLDER, DIES = Path.cwd(), "dies" in sys.argv

class DyingWorker(ray_features.RayFeatureWorker):
    # With "dies" the first worker ends by SIGKILL in the middle of its work.

    def __call__(self, chunk):
        with open(FOLDER / "pids", "a") as file:
            file.write(f"{os.getpid()}\\n")
        died = FOLDER / "died"
        if DIES and len(list((FOLDER / "features").rglob("*.npz"))) >= 2 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(chunk)

def main():
    ray_features.RayFeatureWorker, compute_features.VIEWS_PER_CHUNK = DyingWorker, 8
    extractor = Extractor(weights.find_base_weights("mobilenet_v2", "random"), (32,), 32, "ray")
    records = manifest.read_manifest(FOLDER)
    table = feature_cache.load_or_compute_features(FOLDER, records, extractor, range(2))
    feature_cache.np.save("features.npy", table.values)
    print(json.dumps(table.forward_passes))

from runtime import console
console.run_command(main)
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data set of toy images."""
    records = []
    for number in range(N_IMAGES):
        data = encode_image(make_image(number, 64))
        name = hashing.hash_bytes(data)
        original = f"originals/real/{name[:2]}/{name}.png"
        atomic_files.write_atomically(tmp_path / original, data)
        records.append(
            manifest.FaceRecord(
                id=name,
                label="real",
                source="toys",
                file=f"{number}",
                status="accepted",
                original=original,
                phash=name[:16],
                phash_mirrored=name[16:32],
            )
        )
    manifest.replace_records(tmp_path, records)
    return tmp_path


def run_on_cluster(folder: Path, *words: str) -> subprocess.CompletedProcess:
    environment = build_environment() | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY_ROOT), str(REPOSITORY_ROOT / "tests")])
    }
    return subprocess.run(
        [sys.executable, "-c", CLUSTER_SCRIPT, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


def count_forward_passes(process: subprocess.CompletedProcess) -> int:
    # Ray reports the killed worker in the lines above.
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_the_features_are_those_of_one_process(folder, cache):
    process = run_on_cluster(folder, "dies")
    assert process.returncode == 0, process.stderr
    assert count_forward_passes(process) == N_IMAGES * N_VIEWS and (folder / "died").exists()
    assert len(set((folder / "pids").read_text().split())) >= 2
    values = np.load(folder / "features.npy")
    extractor = Extractor(
        weights.find_base_weights("mobilenet_v2", "random"), (32,), 32, "onnxruntime"
    )
    records = manifest.read_manifest(folder)
    cached = feature_cache.load_or_compute_features(folder, records, extractor, range(N_VIEWS))
    assert cached.forward_passes == 0 and np.array_equal(cached.values, values)
    for path in folder.rglob("*.npz"):
        path.unlink()
    computed = feature_cache.load_or_compute_features(folder, records, extractor, range(N_VIEWS))
    assert computed.forward_passes == N_IMAGES * N_VIEWS
    assert np.array_equal(computed.values, values)
    for path in sorted(folder.rglob("*.npz"))[:1]:
        path.unlink()
    process = run_on_cluster(folder)
    assert process.returncode == 0, process.stderr
    assert 0 < count_forward_passes(process) <= N_IMAGES
    assert np.array_equal(np.load(folder / "features.npy"), values)


@pytest.mark.slow
def test_an_error_of_a_worker_is_reported_in_its_own_sentence(folder, cache):
    original = manifest.read_manifest(folder)[3].original
    (folder / original).write_bytes(encode_image(make_image(99, 64)))
    process = run_on_cluster(folder)
    assert process.returncode == console.EXIT_DISK and "Traceback" not in process.stderr
    assert f"{original} was altered since it was collected" in process.stderr.splitlines()[-1]


def test_without_ray_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        console.PlainError,
        match=r"This needs Ray; install it: pip install -r requirements-ray\.txt",
    ):
        ray_cluster.run_on_cluster(int, (), [1], "")


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(
            console.PlainError, match=f"No Ray cluster answers at {address}"
        ) as caught:
            ray_cluster.run_on_cluster(int, (), [1], "")
    assert caught.value.exit_code == console.EXIT_REMOTE
