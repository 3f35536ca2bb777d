"""`python tests/faults/victims.py WORK FOLDER`: work for kills.py to kill; says "ready", then what came of it."""

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

from data_collection import console, manifest
from training import base_weights, dataset, feature_cache, saved_models

TRIALS = {"random": 20, "bayesian": 6, "hyperband": 20}
"""Of every tuner; a Bayesian search takes seconds to propose one."""


def extraction(folder: Path) -> str:
    """Features of the toy data set; told is the checksum of the table."""
    records = manifest.accepted(manifest.read(folder / "data" / "faces"), "train", "validation")
    extractor = feature_cache.Extractor(base_weights.find("mobilenet_v2", "random"), (64,), 64, engine="onnxruntime")
    feature_cache.CHUNK = 8
    ready()
    table = feature_cache.features(folder / "data" / "faces", records, extractor, 8)
    return hashlib.sha256(table.values.tobytes()).hexdigest()


def search(folder: Path) -> dict[str, int]:
    """A search with every tuner, in any order; told is how many trials of each are completed."""
    from training import head_search, quiet

    quiet.start_keras()
    from toy_features import toy_faces

    faces = {"mobilenet_v2": toy_faces()}
    ready()
    place = {"folder": folder / "searches", "log_folder": folder / "logs"}
    return {
        tuner: len(head_search.search(faces, "", tuner=tuner, trials=TRIALS[tuner], epochs=3, batch_size=16, seed=0, **place))
        for tuner in random.sample(list(TRIALS), len(TRIALS))
    }


def finetuning(folder: Path) -> list[float]:
    """A fine-tuning of the toy; told are the leaderboard's losses, and the weights that are saved go to tuned.npz."""
    from training import quiet

    quiet.start_keras()
    from finetuning import depth_search, parent, unfreezing
    from finetuning.depth_model import DepthHyperModel
    from finetuning.settings import FinetuningSettings

    start = parent.read(folder / "saved_models" / "toy")
    data = dataset.read(folder / "data", folder / "data" / "faces")
    found = unfreezing.blocks(start.base, start.card.base["name"])
    ready()
    settings = FinetuningSettings(trials=2, epochs=1, warmup=0, repeats=1, views=1)
    model = DepthHyperModel(start, data, found, 1, settings)
    trials = depth_search.search(model, data.folder / "searches", folder / "logs")
    repeats = depth_search.repeat(model, trials[0], folder / "logs" / "winner")
    np.savez(folder / "tuned.npz", *itertools.chain(*start.current()))
    return [tuned.loss for tuned in [*trials, *repeats]]


def saving(folder: Path) -> int:
    """Saves copies of the toy until there are forty; told is how many there are."""
    models = folder / "saved_models"
    card = saved_models.read_card(models / "toy")
    ready()
    for number in range(len(list(models.glob("copy*"))), 40):
        with saved_models.being_written(models, f"copy{number}") as place:
            shutil.copytree(models / "toy", place, ignore=shutil.ignore_patterns("card.json"), dirs_exist_ok=True)
            saved_models.write_card(place, dataclasses.replace(card, name=f"copy{number}"))
    return len(list(models.glob("copy*")))


WORK = {each.__name__: each for each in (extraction, search, finetuning, saving)}


def ready() -> None:
    print("ready", flush=True)


if __name__ == "__main__":
    console.run(lambda: print(json.dumps(WORK[sys.argv[1]](Path(sys.argv[2])))))
