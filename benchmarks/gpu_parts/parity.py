"""Features and probabilities on this device against those of a second process on the CPU."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.gpu_parts.device import Workload
from benchmarks.measuring import Measurement, build_environment
from runtime import console

BASE, SIDE_PX, IMAGES = "mobilenet_v2", 224, 8
WEIGHTS_FILE, FEATURES_FILE = "weights.npz", "features.npy"
WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}


def measure(workload: Workload) -> list[Measurement]:
    """Compare features in single precision, and the probabilities of a linear head on them.

    Raises:
        PlainError: the process on the CPU failed.
    """
    from training.bases.base_models import build_base

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = build_base(BASE).get_weights()
        np.savez(folder / WEIGHTS_FILE, *weights)
        here = compute_features(folder)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.gpu_parts.parity", folder],
            env=build_environment() | WITHOUT_GPU,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise console.PlainError(f"the process on the CPU failed: {done.stderr[-300:]}")
        there = np.load(folder / FEATURES_FILE)
    deviations = np.maximum(there.std(axis=0), 1e-3)
    head = np.random.default_rng(1).normal(size=there.shape[1]) / np.sqrt(there.shape[1])
    probabilities = [
        1 / (1 + np.exp(-((features - there.mean(axis=0)) / deviations) @ head))
        for features in (here, there)
    ]
    return [
        Measurement(
            "features, largest difference from the CPU's in their deviations",
            float((np.abs(here - there) / deviations).max()),
        ),
        Measurement(
            "probabilities, largest difference from the CPU's",
            float(np.abs(probabilities[0] - probabilities[1]).max()),
            promised_max=0.01,
        ),
    ]


def compute_features(folder: Path) -> np.ndarray:
    """Return features of random pictures, float32 (images, features), with saved weights."""
    from training.bases.base_models import build_base
    from training.bases.loaded_base import LoadedBase
    from training.features import layout

    model = build_base(BASE)
    with np.load(folder / WEIGHTS_FILE) as arrays:
        model.set_weights([arrays[name] for name in arrays.files])
    extractor = layout.build_extractor_model(LoadedBase.from_model(model), (SIDE_PX,), SIDE_PX)
    pixels = np.random.default_rng(0).uniform(0, 255, (IMAGES, SIDE_PX, SIDE_PX, 3))
    return np.asarray(extractor.predict_on_batch(pixels.astype(np.float32)))


def main() -> None:
    folder = Path(sys.argv[1])
    np.save(folder / FEATURES_FILE, compute_features(folder))


if __name__ == "__main__":
    main()
