"""Features from a Ray cluster of this machine's cores: the same as from one process, also when a
worker is killed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_collection.dataset import manifest
from runtime import console, hashing, ray_cluster
from toys.commands import REPOSITORY_ROOT, build_environment
from toys.images import encode_image, make_image
from training.bases import weights
from training.features import feature_cache
from training.features.extractor import Extractor

IMAGES, VIEWS, CHUNK = 40, 2, 8

SHARED = """
import json, os, signal, sys
from pathlib import Path
from data_collection.dataset import manifest
from training.bases import weights
from training.features import compute_features, feature_cache, ray_features
from training.features.extractor import Extractor

PLACE, DIES = Path.cwd(), "dies" in sys.argv

class Dying(ray_features.RayFeatureWorker):
    # in place of the real worker: with "dies" the first one ends by SIGKILL in the middle of its work

    def __call__(self, chunk):
        with open(PLACE / "pids", "a") as file:
            file.write(f"{os.getpid()}\\n")
        died = PLACE / "died"
        if DIES and len(list((PLACE / "features").rglob("*.npz"))) >= 2 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(chunk)

def main():
    ray_features.RayFeatureWorker, compute_features.VIEWS_PER_CHUNK = Dying, 8
    extractor = Extractor(weights.find_base_weights("mobilenet_v2", "random"), (32,), 32, "ray")
    table = feature_cache.load_or_compute_features(Path.cwd(), manifest.read_manifest(Path.cwd()), extractor, 2)
    feature_cache.np.save("found.npy", table.values)
    print(json.dumps(table.forward_passes))

from runtime import console
console.run_command(main)
"""


@pytest.fixture
def place(tmp_path) -> Path:
    made = []
    for number in range(IMAGES):
        data = encode_image(make_image(number, 64))
        (tmp_path / f"{number}.png").write_bytes(data)
        name = hashing.hash_bytes(data)
        known = {"original": f"{number}.png", "phash": name[:16], "phash_mirrored": name[16:32]}
        made.append(
            manifest.FaceRecord(
                id=name, label="real", source="toys", file=f"{number}", status="accepted", **known
            )
        )
    manifest.replace_records(tmp_path, made)
    return tmp_path


def ran(place: Path, *words: str) -> subprocess.CompletedProcess:
    shared = build_environment() | {
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY_ROOT), str(REPOSITORY_ROOT / "tests")])
    }
    script = [sys.executable, "-c", SHARED, *words]
    return subprocess.run(
        script, cwd=place, env=shared, capture_output=True, text=True, timeout=300
    )


def passes(done: subprocess.CompletedProcess) -> int:
    return json.loads(done.stdout.splitlines()[-1])  # Ray tells of the killed worker above it


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_the_features_are_those_of_one_process(place, cache):
    done = ran(place, "dies")
    assert done.returncode == 0, done.stderr
    assert passes(done) == IMAGES * VIEWS and (place / "died").exists()
    assert len(set((place / "pids").read_text().split())) >= 2
    found = np.load(place / "found.npy")
    alone = Extractor(weights.find_base_weights("mobilenet_v2", "random"), (32,), 32, "onnxruntime")
    kept = feature_cache.load_or_compute_features(
        place, manifest.read_manifest(place), alone, VIEWS
    )
    assert kept.forward_passes == 0 and np.array_equal(kept.values, found)
    for path in place.rglob("*.npz"):
        path.unlink()
    again = feature_cache.load_or_compute_features(
        place, manifest.read_manifest(place), alone, VIEWS
    )
    assert again.forward_passes == IMAGES * VIEWS and np.array_equal(again.values, found)
    for path in sorted(place.rglob("*.npz"))[:1]:
        path.unlink()
    rest = ran(place)
    assert rest.returncode == 0, rest.stderr
    assert 0 < passes(rest) <= IMAGES and np.array_equal(np.load(place / "found.npy"), found)


@pytest.mark.slow
def test_what_a_worker_cannot_do_is_told_in_its_own_sentence(place, cache):
    (place / "3.png").write_bytes(encode_image(make_image(99, 64)))
    done = ran(place)
    assert done.returncode == console.EXIT_DISK and "Traceback" not in done.stderr
    assert "3.png was altered since it was collected" in done.stderr.splitlines()[-1]


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
