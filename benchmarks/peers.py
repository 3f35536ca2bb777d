"""`python -m benchmarks.peers DATASET`: our training beside AutoKeras and fine-tuning as fastai does it, on the same images.

All learn from the train and validation splits, see the same canonical pictures, have the same time, set their threshold on the
validation split, and are judged on the hold-out. AutoKeras: `pip install autokeras`; it is left out where it is missing or
fails, as 3.0 does with Keras 3.15.
"""

import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.measuring import markdown_table, whole_process
from data_collection import console, manifest, splits
from training import base_weights, calibration, dataset, feature_cache, saved_models
from training.dataset import Dataset

SIDE, BATCH = 224, 32


@dataclass(frozen=True)
class Pictures:
    """Canonical pictures, uint8, shape (images, SIDE, SIDE, 3), and their labels, 1 for generated."""

    train: np.ndarray
    validation: np.ndarray
    train_labels: np.ndarray
    validation_labels: np.ndarray


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
        for name, peer in PEERS.items():
            if peer.package and not importlib.util.find_spec(peer.package):
                console.warn(f"{name} is left out; pip install {peer.package}.")
                continue
            console.heading(name)
            place = Path(folder) / peer.package if peer.package else Path(folder) / name.split()[0]
            place.mkdir()
            words = ["benchmarks.peers", str(data.absolute()), "--minutes", str(minutes), "--only", name, "--place", str(place)]
            try:
                _, memory = whole_process(words, place)
            except console.PlainError as error:  # a peer that does not run with this Keras
                console.warn(f"{name} failed: {str(error).strip().splitlines()[-1]}")
                continue
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
    judge = PEERS[name].train(data, started + 60 * minutes, place)
    seconds = time.monotonic() - started
    held = manifest.accepted(data.records, "hold-out")
    threshold = calibration.calibrate(judge(pictures(data, data.validation)), data.labels(data.validation), 0.05).threshold
    said = {"seconds": seconds, "threshold": threshold, "hold-out": judge(pictures(data, held)).tolist()}
    (place / "said.json").write_text(json.dumps(said))


def pictures(data: Dataset, records: list) -> np.ndarray:
    batches = feature_cache.pictures(data.folder, feature_cache.parts([(record, 0) for record in records], 16), SIDE)
    return np.concatenate([pixels for _, pixels in batches])


def gathered(data: Dataset) -> Pictures:
    parts = data.train, data.validation
    return Pictures(*(pictures(data, part) for part in parts), *(data.labels(part) for part in parts))


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
    """One epoch of the head, then all of MobileNetV2 with a rate that rises and falls, a hundredth of it at the bottom.

    As many epochs as there is time for; flips as augmentation. After the documentation of fastai's `fine_tune`.
    """
    import keras

    from training import base_models

    seen = gathered(data)
    base = base_weights.load(base_weights.find("mobilenet_v2"))
    pixels = keras.Input((SIDE, SIDE, 3))
    flipped = keras.layers.RandomFlip("horizontal")(pixels)
    top = keras.layers.GlobalAveragePooling2D()(base(base_models.preprocessed(flipped, "mobilenet_v2"), training=False))
    model = keras.Model(pixels, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(top)))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    x, y = seen.train.astype(np.float32), seen.train_labels.astype(np.float32)[:, None]
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


def auto_keras(data: Dataset, deadline: float, place: Path) -> Judge:
    """ImageClassifier with its own choices, one trial after the other until the time is over."""
    import autokeras
    import keras

    class Deadline(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if time.monotonic() > deadline:
                self.model.stop_training = True

    seen = gathered(data)
    searched = autokeras.ImageClassifier(max_trials=3, directory=place, overwrite=True, seed=0)
    given = {"validation_data": (seen.validation, seen.validation_labels), "callbacks": [Deadline()]}
    searched.fit(seen.train, seen.train_labels, epochs=20, batch_size=BATCH, verbose=0, **given)
    model = searched.export_model()
    return lambda pixels: np.asarray(model.predict(pixels.astype(np.float32), verbose=0))[:, 0].astype(np.float64)


@dataclass(frozen=True)
class Peer:
    """One way to a detector; `package` is what it needs beyond requirements.txt."""

    train: Callable[[Dataset, float, Path], Judge]
    package: str = ""


PEERS = {
    "Telltale, MobileNetV2, 30 trials": Peer(ours),
    "fine-tuning as fastai does it, MobileNetV2": Peer(as_fastai),
    "AutoKeras' ImageClassifier, up to three trials": Peer(auto_keras, "autokeras"),
}

if __name__ == "__main__":
    console.run(lambda: tyro.cli(main, prog="python -m benchmarks.peers"))
