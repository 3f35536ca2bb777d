"""`python -m benchmarks.peers DATASET`: our training beside fine-tuning as fastai does it, on the same images.

Both learn from the train split, see the same canonical pictures, set their threshold on the validation split, and are judged on
the hold-out. AutoKeras is not here: its ImageClassifier (3.0) fails with Keras 3.15, which refuses a NumPy integer as the width
of a layer.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tyro

from benchmarks.measuring import markdown_table, whole_process
from data_collection import console, manifest, splits
from training import base_weights, calibration, dataset, feature_cache, saved_models
from training.dataset import Dataset

SIDE, BATCH = 224, 32

Judge = Callable[[np.ndarray], np.ndarray]


def main(data: tyro.conf.Positional[Path], minutes: float = 2, only: str = "", place: Path | None = None) -> None:
    """Trains every peer in a process of its own, and prints the table.

    Args:
        data: folder of a data set.
        minutes: that peers may train for; ours takes what it takes.
        only: one peer, in this process.
        place: folder for what `only` finds.
    """
    if only:
        learn(only, data, minutes, place)
        return
    from validation.judged import Judged
    from validation.metrics import estimates

    held = manifest.accepted(dataset.read(data.parent, data).records, "hold-out")
    splits.record_opening(data, "peers")
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(PEERS):
            console.heading(name)
            place = Path(folder) / str(number)
            place.mkdir()
            words = ["benchmarks.peers", str(data.absolute()), "--minutes", str(minutes), "--only", name, "--place", str(place)]
            _, memory = whole_process(words, place)
            said = json.loads((place / "said.json").read_bytes())
            judged = Judged.of(held, np.array(said["hold-out"]), said["threshold"])
            found = estimates(judged, ("ROC AUC", "balanced accuracy"))
            figures = [f"{each.value:.3f} ({each.low:.2f} to {each.high:.2f})" for each in found.values()]
            lines.append([name, *figures, f"{said['seconds']:.0f} s", f"{memory:.1f} GB"])
    print(markdown_table(["", "ROC AUC", "balanced accuracy", "training", "memory"], lines))


def learn(name: str, folder: Path, minutes: float, place: Path) -> None:
    """Trains one peer and writes what it says of the hold-out."""
    from training import quiet

    quiet.start_keras()
    data = dataset.read(folder.parent, folder)
    started = time.monotonic()
    judge = PEERS[name](data, started + 60 * minutes, place)
    seconds = time.monotonic() - started
    held = manifest.accepted(data.records, "hold-out")
    threshold = calibration.calibrate(judge(pictures(data, data.validation)), data.labels(data.validation), 0.05).threshold
    said = {"seconds": seconds, "threshold": threshold, "hold-out": judge(pictures(data, held)).tolist()}
    (place / "said.json").write_text(json.dumps(said))


def pictures(data: Dataset, records: list) -> np.ndarray:
    batches = feature_cache.pictures(data.folder, feature_cache.parts([(record, 0) for record in records], 16), SIDE)
    return np.concatenate([pixels for _, pixels in batches])


def ours(data: Dataset, deadline: float, place: Path) -> Judge:
    """`python -m training --bases mobilenet_v2`, its features not in any cache."""
    import shutil

    copy = place / "data" / "faces"
    shutil.copytree(data.folder, copy, ignore=shutil.ignore_patterns("features", "boundaries", "matrix"))
    whole_process(["training", "--bases", "mobilenet_v2", "--accept-shortcuts", "--dataset", "data/faces"], place)
    from training.onnx_files import runner

    run = runner(saved_models.find(place / "saved_models", None) / saved_models.ONNX_FILE)
    return lambda pixels: np.concatenate([run(pixels[n : n + 8].astype(np.float32))[:, 0] for n in range(0, len(pixels), 8)])


def as_fastai(data: Dataset, deadline: float, place: Path) -> Judge:
    """An epoch of the head, then all of MobileNetV2 with a rate that rises and falls, for as many epochs as there is time for.

    Mirrored pictures as augmentation. After the documentation of fastai's `fine_tune`; unlike there, BatchNormalization stays
    frozen and all layers have one rate.
    """
    import keras

    from training import base_models

    base = base_weights.load(base_weights.find("mobilenet_v2"))
    pixels = keras.Input((SIDE, SIDE, 3))
    flipped = keras.layers.RandomFlip("horizontal")(pixels)
    top = keras.layers.GlobalAveragePooling2D()(base(base_models.preprocessed(flipped, "mobilenet_v2"), training=False))
    model = keras.Model(pixels, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(top)))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    x, y = pictures(data, data.train).astype(np.float32), data.labels(data.train).astype(np.float32)[:, None]
    base.trainable = False
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(x, y, epochs=1, batch_size=BATCH, verbose=0)
    head = [np.copy(weight) for weight in model.layers[-1].get_weights()]
    base.trainable = True
    for layer in base.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    model.compile(keras.optimizers.Adam(1e-4), loss)
    model.layers[-1].set_weights(head)
    before = time.monotonic()
    model.fit(x, y, epochs=1, batch_size=BATCH, verbose=0)
    epochs = max(1, int((deadline - time.monotonic()) / (time.monotonic() - before)))
    steps = epochs * -(-len(x) // BATCH)
    rise = keras.optimizers.schedules.CosineDecay(1e-5, steps, alpha=0.0, warmup_target=2e-4, warmup_steps=steps // 4)
    model.compile(keras.optimizers.Adam(rise), loss)
    model.fit(x, y, epochs=epochs, batch_size=BATCH, verbose=0)
    return lambda given: calibration.sigmoid(model.predict(given.astype(np.float32), verbose=0)[:, 0].astype(np.float64))


PEERS: dict[str, Callable[[Dataset, float, Path], Judge]] = {
    "Telltale, MobileNetV2, 30 trials": ours,
    "fine-tuning as fastai does it, MobileNetV2": as_fastai,
}
"""Name, and what trains it: given the data set, when it has to end, and a folder; returns what judges pictures."""

if __name__ == "__main__":
    console.run(lambda: tyro.cli(main, prog="python -m benchmarks.peers"))
