"""Compare our training with fine-tuning as fastai does it, on the same images.

Run `python -m benchmarks.speed.peers DATASET`. Both train on the train split, see the same
canonical pictures, set their threshold on the validation split, and are evaluated on the hold-out
and on data sets of other sources. AutoKeras is not included: its ImageClassifier (3.0) fails with
Keras 3.15, which rejects a NumPy integer as the width of a layer.
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.measuring import Measurement, measure_process, render_markdown_table
from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from runtime import console
from training import calibration, dataset
from training.bases import loaded_base, weights
from training.cuts.choose_cuts import choose_threshold
from training.dataset import Dataset
from training.detectors import saved_models
from training.features import pixels as feature_pixels
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.scored_images import ScoredImages

MAX_SIDE_PX, TRAINING_BATCH_SIZE = 224, 32
"""Largest side of the images (smaller if the data set's are), and images in a training step."""

COMPARED_METRICS = ("ROC AUC", "balanced accuracy")

Scorer = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PeerResult:
    """Result of one peer.

    Attributes:
        estimates: for each test set, by metric.
        seconds: time of its training.
        memory: peak resident memory of its process, in GB.
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
    work_folder: Path | None = None,
) -> None:
    """Train every peer in a process of its own, and print the table.

    Args:
        data: folder of a data set.
        minutes: training time of the other peers; ours takes as long as it needs.
        unseen: folders of further data sets, of other sources; all their images are scored.
        only: train this one peer, in this process.
        work_folder: folder for the result of `only`.
    """
    if only:
        train_peer(only, data, minutes, unseen, work_folder)
        return
    headings = [
        "",
        *(
            f"{metric}, {test_set.name}"
            for test_set in (Path("hold-out"), *unseen)
            for metric in COMPARED_METRICS
        ),
        "training",
        "memory",
    ]
    lines = [
        [
            peer.name,
            *(str(estimate) for estimates in peer.estimates for estimate in estimates.values()),
            f"{peer.seconds:.0f} s",
            f"{peer.memory:.1f} GB",
        ]
        for peer in compare_peers(data, minutes, unseen)
    ]
    print(render_markdown_table(headings, lines))


def measure_peers(data: Path, minutes: float = 1.5) -> list[Measurement]:
    """Compare the peers on the hold-out of one data set."""
    return [
        measurement
        for peer in compare_peers(data, minutes)
        for measurement in (
            *(
                Measurement(f"{peer.name}: {metric}", estimate.value)
                for metric, estimate in peer.estimates[0].items()
            ),
            Measurement(f"{peer.name}: training", peer.seconds, "s"),
            Measurement(f"{peer.name}: peak resident memory", peer.memory, "GB"),
        )
    ]


def compare_peers(data: Path, minutes: float, unseen: Sequence[Path] = ()) -> list[PeerResult]:
    """Train and evaluate every peer, one after the other."""
    splits.record_hold_out_opening(data, "peers")
    test_sets = load_test_sets(data, unseen)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(PEER_TRAINERS):
            console.print_heading(name)
            work_folder = Path(folder) / str(number)
            work_folder.mkdir()
            words = [
                "benchmarks.speed.peers",
                str(data.absolute()),
                "--minutes",
                str(minutes),
                "--only",
                name,
                "--work-folder",
                str(work_folder),
            ]
            words += ["--unseen", *(str(folder.absolute()) for folder in unseen)] if unseen else []
            _, memory = measure_process(words, work_folder)
            result = json.loads((work_folder / "result.json").read_bytes())
            estimates = [
                estimate_metrics(
                    ScoredImages.from_records(
                        records, np.array(probabilities), result["threshold"]
                    ),
                    COMPARED_METRICS,
                )
                for (_, records), probabilities in zip(
                    test_sets, result["probabilities"], strict=True
                )
            ]
            results.append(PeerResult(name, estimates, result["seconds"], memory))
    return results


def load_test_sets(data: Path, unseen: Sequence[Path]) -> list[tuple[Path, list[FaceRecord]]]:
    """Return folder and records of every test set: the hold-out, and all of each other data set."""
    hold_out = manifest.select_accepted(manifest.read_manifest(data), "hold-out")
    return [
        (data, hold_out),
        *(
            (folder, [record for record in manifest.read_manifest(folder) if record.accepted])
            for folder in unseen
        ),
    ]


def train_peer(
    name: str, folder: Path, minutes: float, unseen: Sequence[Path], work_folder: Path
) -> None:
    """Train one peer, and write its probabilities for the test sets."""
    from training import keras_startup

    keras_startup.start_keras()
    data = dataset.load_dataset(folder.parent, folder)
    started = time.monotonic()
    scorer = PEER_TRAINERS[name](data, started + 60 * minutes, work_folder)
    seconds = time.monotonic() - started
    validation_probabilities = scorer(
        load_pixels(data.folder, data.validation, get_image_side(data))
    )
    threshold = choose_threshold(
        validation_probabilities, data.encode_labels(data.validation), 0.05
    )
    probabilities = [
        scorer(load_pixels(*test_set, get_image_side(data))).tolist()
        for test_set in load_test_sets(folder, unseen)
    ]
    (work_folder / "result.json").write_text(
        json.dumps({"seconds": seconds, "threshold": threshold, "probabilities": probabilities})
    )


def get_image_side(data: Dataset) -> int:
    return min(MAX_SIDE_PX, data.image_size)


def load_pixels(folder: Path, records: Sequence[FaceRecord], side: int) -> np.ndarray:
    batches = feature_pixels.load_view_batches(
        folder, feature_pixels.make_view_batches([(record, 0) for record in records], 16), side
    )
    return np.concatenate([pixels for _, pixels in batches])


def train_telltale(data: Dataset, deadline: float, work_folder: Path) -> Scorer:
    """Run `python -m training --bases mobilenet_v2` without cached features."""
    import shutil

    copy = work_folder / "data" / "faces"
    shutil.copytree(
        data.folder,
        copy,
        ignore=shutil.ignore_patterns("features", "boundaries", "cross_generator"),
    )
    measure_process(
        ["training", "--bases", "mobilenet_v2", "--accept-shortcuts", "--dataset", "data/faces"],
        work_folder,
    )
    from training.onnx_files.onnx_models import open_onnx

    run = open_onnx(
        saved_models.find_detector(work_folder / "saved_models", None) / saved_models.ONNX_FILE
    )
    return lambda pixels: np.concatenate(
        [
            run(pixels[start : start + 8].astype(np.float32))[:, 0]
            for start in range(0, len(pixels), 8)
        ]
    )


def train_like_fastai(data: Dataset, deadline: float, work_folder: Path) -> Scorer:
    """Train the head for one epoch, then all of MobileNetV2 for as many epochs as time allows.

    The learning rate rises and falls; mirrored images are the augmentation. It follows the
    documentation of fastai's `fine_tune`; unlike there, BatchNormalization stays frozen and all
    layers have one learning rate.
    """
    import keras

    side = get_image_side(data)
    base = loaded_base.load_base(weights.find_base_weights("mobilenet_v2"))
    pixels = keras.Input((side, side, 3))
    flipped = keras.layers.RandomFlip("horizontal")(pixels)
    features = keras.layers.GlobalAveragePooling2D()(
        base.model(base.preprocess(flipped), training=False)
    )
    model = keras.Model(pixels, keras.layers.Dense(1)(keras.layers.Dropout(0.5)(features)))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    x = load_pixels(data.folder, data.train, side).astype(np.float32)
    y = data.encode_labels(data.train).astype(np.float32)[:, None]
    base.model.trainable = False
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(x, y, epochs=1, batch_size=TRAINING_BATCH_SIZE, verbose=0)
    head_weights = [np.copy(weight) for weight in model.layers[-1].get_weights()]
    base.model.trainable = True
    for layer in base.model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    model.compile(keras.optimizers.Adam(1e-4), loss)
    model.layers[-1].set_weights(head_weights)
    started = time.monotonic()
    model.fit(x, y, epochs=1, batch_size=TRAINING_BATCH_SIZE, verbose=0)
    epochs = max(1, int((deadline - time.monotonic()) / (time.monotonic() - started)))
    n_steps = epochs * -(-len(x) // TRAINING_BATCH_SIZE)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        1e-5, n_steps, alpha=0.0, warmup_target=2e-4, warmup_steps=n_steps // 4
    )
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    model.fit(x, y, epochs=epochs, batch_size=TRAINING_BATCH_SIZE, verbose=0)
    return lambda images: calibration.sigmoid(
        model.predict(images.astype(np.float32), verbose=0)[:, 0].astype(np.float64)
    )


PEER_TRAINERS: dict[str, Callable[[Dataset, float, Path], Scorer]] = {
    "Telltale, MobileNetV2, 30 trials": train_telltale,
    "fine-tuning as fastai does it, MobileNetV2": train_like_fastai,
}
"""Training function by name: takes the data set, its deadline and a folder; returns a scorer."""

if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.speed.peers"))
