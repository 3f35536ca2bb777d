"""`python tests/faults/victims.py WORK FOLDER`: work for kills.py to kill; it prints "ready", then
its result."""

import dataclasses
import hashlib
import itertools
import json
import random
import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import numpy as np

from data_collection.dataset import manifest
from runtime import console
from training import dataset
from training.bases import weights
from training.detectors import card as detector_card
from training.detectors import saved_models
from training.features import compute_features, feature_cache
from training.features import extractor as feature_extractor

TRIALS = {"random": 20, "bayesian": 6, "hyperband": 20}
"""Trials per tuner; a Bayesian search takes seconds to propose one."""


def extract_features(folder: Path) -> str:
    """Extract the features of the toy data set; return the checksum of the table."""
    records = manifest.select_accepted(
        manifest.read_manifest(folder / "data" / "faces"), "train", "validation"
    )
    extractor = feature_extractor.Extractor(
        weights.find_base_weights("mobilenet_v2", "random"), (64,), 64, engine="onnxruntime"
    )
    compute_features.VIEWS_PER_CHUNK = 8
    print_ready()
    table = feature_cache.load_or_compute_features(
        folder / "data" / "faces", records, extractor, range(8)
    )
    return hashlib.sha256(table.values.tobytes()).hexdigest()


def search_heads(folder: Path) -> dict[str, int]:
    """Search with every tuner, in any order; return the number of completed trials of each."""
    from training import keras_startup
    from training.head_search import search as head_search
    from training.run_folders import RunFolders
    from training.settings import SearchConfig

    keras_startup.start_keras()
    from toys.features import make_toy_features

    features = {"mobilenet_v2": make_toy_features()}
    print_ready()
    folders = RunFolders(folder, folder / "logs", folder)
    return {
        tuner: len(
            head_search.search_heads(
                features,
                SearchConfig(tuner=tuner, trials=TRIALS[tuner], epochs=3, batch_size=16, seed=0),
                "",
                folders,
            )
        )
        for tuner in random.sample(list(TRIALS), len(TRIALS))
    }


def finetune_toy(folder: Path) -> list[float]:
    """Fine-tune the toy; write its weights to tuned.npz and return the losses of the
    leaderboard."""
    from training import keras_startup

    keras_startup.start_keras()
    from finetuning import depth_search, unfreezing
    from finetuning.depth_trials import DepthHyperModel
    from finetuning.settings import FinetuningSettings
    from training.detectors import detector_parts

    start = detector_parts.load_detector_parts(folder / "saved_models" / "toy")
    data = dataset.load_dataset(folder / "data", folder / "data" / "faces")
    blocks = unfreezing.split_into_blocks(start.base)
    print_ready()
    settings = FinetuningSettings(trials=2, epochs=1, warmup=0, repeats=1, views=1)
    model = DepthHyperModel(start, data, blocks, 1, settings)
    trials = depth_search.search_depths(model, data.folder / "searches", folder / "logs")
    repeats, _ = depth_search.train_with_seeds(model, trials[0], folder / "logs" / "final")
    np.savez(folder / "tuned.npz", *itertools.chain(*start.copy_weights()))
    return [tuned.loss for tuned in [*trials, *repeats]]


def save_copies(folder: Path) -> int:
    """Save copies of the toy until there are forty; return their number."""
    models = folder / "saved_models"
    card = detector_card.read_card(models / "toy")
    print_ready()
    for number in range(len(list(models.glob("copy*"))), 40):
        with saved_models.create_model_folder(models, f"copy{number}") as copy:
            shutil.copytree(
                models / "toy",
                copy,
                ignore=shutil.ignore_patterns("card.json"),
                dirs_exist_ok=True,
            )
            detector_card.write_card(copy, dataclasses.replace(card, name=f"copy{number}"))
    return len(list(models.glob("copy*")))


WORK = {
    "extraction": extract_features,
    "search": search_heads,
    "finetuning": finetune_toy,
    "saving": save_copies,
}


def print_ready() -> None:
    print("ready", flush=True)


if __name__ == "__main__":
    console.run_command(lambda: print(json.dumps(WORK[sys.argv[1]](Path(sys.argv[2])))))
