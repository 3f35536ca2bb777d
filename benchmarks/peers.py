"""`python -m benchmarks.peers DATASET`: our training beside fine-tuning as fastai does it, on the same images.

Both learn from the train split, see the same canonical pictures, set their threshold on the validation split, and are judged on
the hold-out, and on data sets of other sources. AutoKeras is not here: its ImageClassifier (3.0) fails with Keras 3.15, which
refuses a NumPy integer as the width of a layer.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.measuring import Figure, markdown_table, whole_process
from data_collection import console, manifest, splits
from data_collection.manifest import FaceRecord
from training import base_weights, calibration, dataset, feature_cache, saved_models
from training.dataset import Dataset
from validation.judged import Judged
from validation.metrics import Estimate, estimates

SIDE, BATCH = 224, 32
"""Of pictures, in pixels, where the data set has them as large; and pictures in a step of training."""

METRICS = ("ROC AUC", "balanced accuracy")

Judge = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """What one made of the images.

    Attributes:
        estimates: by metric, of each set of images that it was judged on.
        seconds: of its training.
        memory: peak of its process, in GB.
    """

    name: str
    estimates: list[dict[str, Estimate]]
    seconds: float
    memory: float


def main(
    data: tyro.conf.Positional[Path],
    minutes: float = 2,
    unseen: tuple[Path, ...] = (),
    only: str = "",
    place: Path | None = None,
) -> None:
    """Trains every peer in a process of its own, and prints the table.

    Args:
        data: folder of a data set.
        minutes: that peers may train for; ours takes what it takes.
        unseen: folders of further data sets, of other sources, all of whose images are judged.
        only: one peer, in this process.
        place: folder for what `only` finds.
    """
    if only:
        learn(only, data, minutes, unseen, place)
        return
    head = ["", *(f"{metric}, {where.name}" for where in (Path("hold-out"), *unseen) for metric in METRICS)]
    lines = [
        [
            each.name,
            *(f"{e.value:.3f} ({e.low:.2f} to {e.high:.2f})" for found in each.estimates for e in found.values()),
            f"{each.seconds:.0f} s",
            f"{each.memory:.1f} GB",
        ]
        for each in compared(data, minutes, unseen)
    ]
    print(markdown_table([*head, "training", "memory"], lines))


def figures(data: Path, minutes: float = 1.5) -> list[Figure]:
    """On the hold-out of one data set."""
    return [
        figure
        for each in compared(data, minutes)
        for figure in (
            *(Figure(f"{each.name}: {metric}", found.value) for metric, found in each.estimates[0].items()),
            Figure(f"{each.name}: training", each.seconds, "s"),
            Figure(f"{each.name}: peak resident memory", each.memory, "GB"),
        )
    ]


def compared(data: Path, minutes: float, unseen: Sequence[Path] = ()) -> list[Peer]:
    """Every peer, one after the other."""
    splits.record_opening(data, "peers")
    shown = judged_on(data, unseen)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(PEERS):
            console.heading(name)
            place = Path(folder) / str(number)
            place.mkdir()
            words = ["benchmarks.peers", str(data.absolute()), "--minutes", str(minutes), "--only", name, "--place", str(place)]
            words += ["--unseen", *(str(other.absolute()) for other in unseen)] if unseen else []
            _, memory = whole_process(words, place)
            said = json.loads((place / "said.json").read_bytes())
            each = [
                estimates(Judged.of(records, np.array(probabilities), said["threshold"]), METRICS)
                for (_, records), probabilities in zip(shown, said["probabilities"], strict=True)
            ]
            found.append(Peer(name, each, said["seconds"], memory))
    return found


def judged_on(data: Path, unseen: Sequence[Path]) -> list[tuple[Path, list[FaceRecord]]]:
    """Folder and images of every set: the hold-out, and all of each further data set."""
    held = manifest.accepted(manifest.read(data), "hold-out")
    return [(data, held), *((other, [r for r in manifest.read(other) if r.accepted]) for other in unseen)]


def learn(name: str, folder: Path, minutes: float, unseen: Sequence[Path], place: Path) -> None:
    """Trains one peer and writes what it says of the pictures that it has not seen."""
    from training import quiet

    quiet.start_keras()
    data = dataset.read(folder.parent, folder)
    started = time.monotonic()
    judge = PEERS[name](data, started + 60 * minutes, place)
    seconds = time.monotonic() - started
    known = judge(pictures(data.folder, data.validation, side_of(data)))
    threshold = calibration.calibrate(known, data.labels(data.validation), 0.05).threshold
    said = [judge(pictures(*each, side_of(data))).tolist() for each in judged_on(folder, unseen)]
    (place / "said.json").write_text(json.dumps({"seconds": seconds, "threshold": threshold, "probabilities": said}))


def side_of(data: Dataset) -> int:
    return min(SIDE, data.image_size)


def pictures(folder: Path, records: Sequence[FaceRecord], side: int) -> np.ndarray:
    batches = feature_cache.pictures(folder, feature_cache.parts([(record, 0) for record in records], 16), side)
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

    side, base = side_of(data), base_weights.load(base_weights.find("mobilenet_v2"))
    pixels = keras.Input((side, side, 3))
    flipped = keras.layers.RandomFlip("horizontal")(pixels)
    top = keras.layers.GlobalAveragePooling2D()(base(base_models.preprocessed(flipped, "mobilenet_v2"), training=False))
    model = keras.Model(pixels, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(top)))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    x, y = pictures(data.folder, data.train, side).astype(np.float32), data.labels(data.train).astype(np.float32)[:, None]
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
