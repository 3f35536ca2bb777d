"""`python -m benchmarks.jpeg_quality data/faces --out FOLDER`: what the canonicaliser's random JPEG quality buys.

Logistic regression on MobileNetV2's taps is trained on pictures that end in a JPEG of a drawn quality, of one quality, or in
none, each on the files as they are and on two stores that save photographs alone as JPEG; and judged on the hold-out under
recompression, shrinking, and with the classes' codecs swapped. So it opens the hold-out, and the opening is counted. It takes
six minutes on two busy cores; what was computed is kept in FOLDER.
"""

import concurrent.futures
import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image

from benchmarks import measuring
from data_collection import console, face_images, figures, manifest, splits
from data_collection.face_images import Face
from data_collection.manifest import FaceRecord
from training import base_weights, baselines, calibration
from training.dataset import Dataset
from training.feature_cache import Extractor
from training.heads import TrainingFaces
from validation.distortions import DISTORTIONS, UNDISTORTED, Distortion, jpeg
from validation.judged import Judged
from validation.kept import kept
from validation.metrics import Estimate, estimates

BASE, SIDE, TARGET_FPR = "mobilenet_v2", 224, 0.05
METRICS = ("ROC AUC", "TPR", "FPR")
BATCH = 32


def shrunk(square: Image.Image) -> Image.Image:
    return square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


PIPELINES: dict[str, Callable[[Face, str], np.ndarray]] = {
    "drawn from 60 to 95": lambda face, face_id: face_images.canonical_face(face, face_id, SIDE),
    "always 90": lambda face, face_id: np.asarray(jpeg(shrunk(face.square), 90)),
    "no JPEG": lambda face, face_id: np.asarray(shrunk(face.square)),
}
"""How a picture is prepared, for training and for judging alike; the first is the canonicaliser."""


@dataclass(frozen=True)
class Collection:
    """What the files were like that training saw.

    Attributes:
        stored: from the decoded square to the one that the collection holds.
        quality: of its JPEGs.
        jpeg: labels of the classes that it saved as JPEG; the others as PNG.
    """

    name: str
    stored: Callable[[Image.Image], Image.Image]
    quality: int
    jpeg: tuple[str, ...]


COLLECTIONS = (
    Collection("files as collected", lambda square: square, 90, ()),
    Collection(f"photographs stored as JPEG 90, generated images as PNG, all of {SIDE} px", shrunk, 90, ("real",)),
    Collection(f"photographs stored as JPEG 75, generated images as PNG, all of {SIDE} px", shrunk, 75, ("real",)),
)


@dataclass(frozen=True)
class Condition:
    """How the hold-out's pictures come: passed on, or with other classes saved as JPEG than in training (None: the same)."""

    name: str
    distortion: Distortion = UNDISTORTED
    jpeg: tuple[str, ...] | None = None


ROWS = {row.name: row for row in DISTORTIONS}
CONDITIONS = (
    Condition("as in training"),
    *(Condition(name, ROWS[name]) for name in ("JPEG 90", "JPEG 70", "JPEG 50", "JPEG 30", "WebP 75", "WebP 50", "resize 0.5")),
    Condition("all PNG", jpeg=()),
    Condition("only photographs JPEG", jpeg=("real",)),
    Condition("only generated JPEG", jpeg=("generated",)),
)
"""The last two save one class with the quality of the collection's JPEGs, and the other as PNG."""


@dataclass(frozen=True)
class Row:
    """What one detector makes of the hold-out in one condition."""

    collection: str
    pipeline: str
    condition: str
    auc: Estimate
    tpr: Estimate
    fpr: Estimate


@dataclass(frozen=True)
class Bench:
    """Computes features and keeps them."""

    folder: Path
    keep: Path
    extractor: Extractor

    def features(
        self, records: Sequence[FaceRecord], collection: Collection, pipeline: str, condition: Condition
    ) -> np.ndarray:
        """Float32, (images, width)."""
        what = f"{collection.name}; {pipeline}; {condition.name}"
        key = [self.extractor.name, what, [record.id for record in records]]
        return kept(self.keep, "features", key, partial(self._make, records, collection, pipeline, condition, what))["features"]

    def _make(self, records, collection, pipeline, condition, what: str) -> dict[str, np.ndarray]:
        one = partial(pixels, self.folder, collection, pipeline, condition)
        batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            shown = console.progress(batches, what, len(batches))
            made = [self.extractor.run(np.stack(list(pool.map(one, batch))).astype(np.float32)) for batch in shown]
        return {"features": np.concatenate(made)}


def pixels(folder: Path, collection: Collection, pipeline: str, condition: Condition, record: FaceRecord) -> np.ndarray:
    face = face_images.decode(manifest.read_original(folder, record), record.crop)
    saved = collection.stored(face.square)
    if record.label in (collection.jpeg if condition.jpeg is None else condition.jpeg):
        saved = jpeg(saved, collection.quality)
    return PIPELINES[pipeline](replace(face, square=condition.distortion.of(saved, record.id)), record.id)


def judged_rows(bench: Bench, records: Sequence[FaceRecord], collection: Collection, pipeline: str) -> list[Row]:
    """Trains on the train split, sets the threshold on the validation split, judges the hold-out under every condition."""
    train, validation, hold_out = (manifest.accepted(records, split) for split in splits.SPLITS)
    x, x_val = (bench.features(part, collection, pipeline, CONDITIONS[0])[:, None] for part in (train, validation))
    y, y_val = Dataset.labels(train), Dataset.labels(validation)
    faces = TrainingFaces(bench.extractor.columns, x, x_val, y, y_val)
    head = baselines.logistic(pipeline, BASE, faces, "all", "mean+std", SIDE)
    threshold = calibration.calibrate(head.probabilities, y_val, TARGET_FPR).threshold
    rows = []
    for condition in CONDITIONS:
        found = bench.features(hold_out, collection, pipeline, condition).astype(np.float64)
        said = calibration.sigmoid(found @ head.weights + head.bias)
        values = estimates(Judged.of(hold_out, said, threshold), METRICS)
        rows.append(Row(collection.name, pipeline, condition.name, *values.values()))
    return rows


def main(dataset: Annotated[Path, tyro.conf.Positional], out: Path) -> None:
    """Train with and without the random JPEG quality, and judge on the hold-out, which counts as an opening.

    Args:
        dataset: a collected data set.
        out: folder for the table, the figure, and what is kept for a second run.
    """
    from training import quiet

    quiet.start_keras()
    records = manifest.read(dataset)
    splits.check(records, splits.read(dataset))
    bench = Bench(dataset, out / "kept", Extractor(base_weights.find(BASE), (SIDE,), SIDE))
    opened = splits.record_opening(dataset, "benchmarks.jpeg_quality")
    console.heading(f"Three ways to end the canonicaliser, on {dataset} (opening {opened})")
    rows = [row for each in COLLECTIONS for name in PIPELINES for row in judged_rows(bench, records, each, name)]
    for each in COLLECTIONS:
        console.table(each.name, COLUMNS, [cells(row) for row in rows if row.collection == each.name])
    manifest.write_whole(out / "jpeg-quality.md", markdown(rows).encode())
    manifest.write_whole(out / "jpeg-quality.png", curves(rows))
    console.say(f"Table and figure: {out / 'jpeg-quality.md'}, {out / 'jpeg-quality.png'}")


COLUMNS = ("pictures", "final JPEG", "ROC AUC", "TPR", "FPR")


def cells(row: Row) -> tuple[str, ...]:
    return (row.condition, row.pipeline, str(row.auc), str(row.tpr), str(row.fpr))


def markdown(rows: Sequence[Row]) -> str:
    lines = []
    for each in COLLECTIONS:
        mine = [cells(row) for row in rows if row.collection == each.name]
        lines += [f"{each.name[0].upper()}{each.name[1:]}:", "", measuring.markdown_table(COLUMNS, mine)]
    return "\n".join(lines)


LOOKS = {
    "drawn from 60 to 95": {"color": "0.15", "linestyle": "-", "marker": "o"},
    "always 90": {"color": "#009e73", "linestyle": (0, (1, 1.2)), "marker": "^"},
    "no JPEG": {"color": "#cc79a7", "linestyle": (0, (4, 1.5)), "marker": "s"},
}
TITLES = {"auc": "ROC AUC", "tpr": "generated images found (TPR)", "fpr": "photographs called generated (FPR)"}
JOINED = 5  # conditions that form a series: as in training, then ever lower JPEG quality


def curves(rows: Sequence[Row]) -> bytes:
    """A row of panels for each collection: AUC, TPR and FPR with their intervals; PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.7 * len(COLLECTIONS) + 1), dpi=150, layout="constrained")
    every = figure.subplots(len(COLLECTIONS), len(TITLES), sharex=True, sharey=True)
    for line, each in zip(every, COLLECTIONS, strict=True):
        for axes, (name, title) in zip(line, TITLES.items(), strict=True):
            for place, pipeline in enumerate(PIPELINES):
                mine = [row for row in rows if (row.collection, row.pipeline) == (each.name, pipeline)]
                _line(axes, [getattr(row, name) for row in mine], pipeline, 0.2 * (place - 1))
            axes.set_title(title if each is COLLECTIONS[0] else "", fontsize=10)
            axes.set_xticks(
                range(len(CONDITIONS)), [row.name for row in CONDITIONS], rotation=55, ha="right", rotation_mode="anchor"
            )
            axes.tick_params(labelsize=8)
            axes.grid(axis="y", color="0.92")
            axes.spines[["top", "right"]].set_visible(False)
        line[0].set_ylabel(textwrap.fill(each.name, 30), fontsize=8.5)
    handles = every[0, 0].get_legend_handles_labels()
    figure.legend(
        *handles, loc="outside upper center", ncols=3, frameon=False, fontsize=10, title="final JPEG of the canonicaliser"
    )
    return figures.drawn(figure)


def _line(axes, values: Sequence[Estimate], pipeline: str, shift: float) -> None:
    x, value = np.arange(len(values)) + shift, np.array([each.value for each in values])
    ends = np.abs(np.array([[each.low, each.high] for each in values]).T - value)
    look = LOOKS[pipeline]
    axes.plot(x[:JOINED], value[:JOINED], linewidth=1.4, markersize=4, label=pipeline, **look)
    axes.plot(x[JOINED:], value[JOINED:], markersize=4, **{**look, "linestyle": "none"})
    axes.errorbar(x, value, ends, fmt="none", ecolor=look["color"], elinewidth=0.8, alpha=0.6)


if __name__ == "__main__":
    console.run(lambda: tyro.cli(main, prog="python -m benchmarks.jpeg_quality"))
