"""Measure the effect of the canonicaliser's random JPEG quality.

Run `python -m benchmarks.studies.jpeg_quality data/faces --out FOLDER`. Logistic regression on
MobileNetV2's taps is trained on images that end in a JPEG of random quality, of one quality, or in
none, each on the files as collected and on two stores that save only photographs as JPEG. It is
evaluated on the hold-out under recompression, shrinking, and with the classes' codecs swapped, so
this counts as an opening of the hold-out. It takes six minutes on two busy cores; computed features
are cached in FOLDER.
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
from data_collection.dataset import manifest, splits, stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical, decode
from data_collection.images.decode import DecodedFace
from runtime import atomic_files, console, plotting
from training import calibration
from training.baselines import linear
from training.bases import weights
from training.cuts.choose_cuts import choose_threshold
from training.dataset import Dataset
from training.features.extractor import Extractor
from training.features.layout import POOLING_STATISTICS
from training.features.training_features import SplitFeatures, TrainingFeatures
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.scored_images import ScoredImages
from validation.result_cache import load_or_compute
from validation.robustness.distortions import DISTORTIONS, UNDISTORTED, Distortion, apply_jpeg

BASE_NAME, IMAGE_SIDE_PX, TARGET_FPR = "mobilenet_v2", 224, 0.05
REPORTED_METRICS = ("ROC AUC", "TPR", "FPR")
FEATURE_BATCH_SIZE = 32


def resize_square(square: Image.Image) -> Image.Image:
    return square.resize((IMAGE_SIDE_PX, IMAGE_SIDE_PX), Image.Resampling.LANCZOS)


FINAL_JPEG_PIPELINES: dict[str, Callable[[DecodedFace, str], np.ndarray]] = {
    "drawn from 60 to 95": lambda face, face_id: canonical.compute_canonical_pixels(
        face, face_id, IMAGE_SIDE_PX
    ),
    "always 90": lambda face, face_id: np.asarray(apply_jpeg(resize_square(face.square), 90)),
    "no JPEG": lambda face, face_id: np.asarray(resize_square(face.square)),
}
"""Preprocessing, the same for training and evaluation; the first is the canonicaliser."""


@dataclass(frozen=True)
class Collection:
    """How the files of the training data were stored.

    Attributes:
        prepare: maps the decoded square to the one that the collection stores.
        quality: quality of its JPEGs.
        jpeg_labels: the classes stored as JPEG; the others are stored as PNG.
    """

    name: str
    prepare: Callable[[Image.Image], Image.Image]
    quality: int
    jpeg_labels: tuple[str, ...]


COLLECTIONS = (
    Collection("files as collected", lambda square: square, 90, ()),
    Collection(
        f"photographs stored as JPEG 90, generated images as PNG, all of {IMAGE_SIDE_PX} px",
        resize_square,
        90,
        ("real",),
    ),
    Collection(
        f"photographs stored as JPEG 75, generated images as PNG, all of {IMAGE_SIDE_PX} px",
        resize_square,
        75,
        ("real",),
    ),
)


@dataclass(frozen=True)
class TestCondition:
    """A distortion of the hold-out, and the classes saved as JPEG (None: as in training)."""

    name: str
    distortion: Distortion = UNDISTORTED
    jpeg_labels: tuple[str, ...] | None = None


DISTORTIONS_BY_NAME = {distortion.name: distortion for distortion in DISTORTIONS}
TEST_CONDITIONS = (
    TestCondition("as in training"),
    *(
        TestCondition(name, DISTORTIONS_BY_NAME[name])
        for name in ("JPEG 90", "JPEG 70", "JPEG 50", "JPEG 30", "WebP 75", "WebP 50", "resize 0.5")
    ),
    TestCondition("all PNG", jpeg_labels=()),
    TestCondition("only photographs JPEG", jpeg_labels=("real",)),
    TestCondition("only generated JPEG", jpeg_labels=("generated",)),
)
"""The last two save one class with the quality of the collection's JPEGs, and the other as PNG."""


@dataclass(frozen=True, kw_only=True)
class ConditionResult:
    """Metrics of one detector on the hold-out in one condition."""

    collection: str
    pipeline: str
    condition: str
    auc: Estimate
    tpr: Estimate
    fpr: Estimate


@dataclass(frozen=True)
class FeatureStore:
    """Compute features and cache them on disk."""

    folder: Path
    cache_folder: Path
    extractor: Extractor

    def load_or_compute_features(
        self,
        records: Sequence[FaceRecord],
        collection: Collection,
        pipeline: str,
        condition: TestCondition,
    ) -> np.ndarray:
        """Return features, float32, shape (images, width)."""
        title = f"{collection.name}; {pipeline}; {condition.name}"
        key = [self.extractor.name, title, [record.id for record in records]]
        load_pixels = partial(compute_pixels, self.folder, collection, pipeline, condition)
        compute = partial(self._compute, records, load_pixels, title)
        return load_or_compute(self.cache_folder, "features", key, compute)["features"]

    def _compute(
        self,
        records: Sequence[FaceRecord],
        load_pixels: Callable[[FaceRecord], np.ndarray],
        title: str,
    ) -> dict[str, np.ndarray]:
        batches = [
            records[start : start + FEATURE_BATCH_SIZE]
            for start in range(0, len(records), FEATURE_BATCH_SIZE)
        ]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            features = [
                self.extractor.run(np.stack(list(pool.map(load_pixels, batch))).astype(np.float32))
                for batch in console.track_progress(batches, title, len(batches))
            ]
        return {"features": np.concatenate(features)}


def compute_pixels(
    folder: Path,
    collection: Collection,
    pipeline: str,
    condition: TestCondition,
    record: FaceRecord,
) -> np.ndarray:
    face = decode.decode_face(stored_images.read_original(folder, record), record.crop)
    stored = collection.prepare(face.square)
    jpeg_labels = condition.jpeg_labels
    if record.label in (collection.jpeg_labels if jpeg_labels is None else jpeg_labels):
        stored = apply_jpeg(stored, collection.quality)
    distorted = replace(face, square=condition.distortion.apply_to(stored, record.id))
    return FINAL_JPEG_PIPELINES[pipeline](distorted, record.id)


def evaluate_pipeline(
    store: FeatureStore, records: Sequence[FaceRecord], collection: Collection, pipeline: str
) -> list[ConditionResult]:
    """Train on the train split, set the threshold on the validation split, and evaluate the
    hold-out under every condition."""
    train, validation, hold_out = (
        manifest.select_accepted(records, split) for split in splits.SPLITS
    )
    x, x_val = (
        store.load_or_compute_features(part, collection, pipeline, TEST_CONDITIONS[0])[:, None]
        for part in (train, validation)
    )
    y, y_val = Dataset.encode_labels(train), Dataset.encode_labels(validation)
    features = TrainingFeatures(
        store.extractor.columns, SplitFeatures(x, y), SplitFeatures(x_val, y_val, (), x_val)
    )
    head = linear.fit_logistic_baseline(
        pipeline,
        BASE_NAME,
        features,
        taps="all",
        statistics=POOLING_STATISTICS,
        size=IMAGE_SIDE_PX,
    )
    threshold = choose_threshold(head.probabilities, y_val, TARGET_FPR)
    results = []
    for condition in TEST_CONDITIONS:
        x_test = store.load_or_compute_features(hold_out, collection, pipeline, condition)
        logits = x_test.astype(np.float64) @ head.weights + head.bias
        scored = ScoredImages.from_records(hold_out, calibration.sigmoid(logits), threshold)
        auc, tpr, fpr = estimate_metrics(scored, REPORTED_METRICS).values()
        results.append(
            ConditionResult(
                collection=collection.name,
                pipeline=pipeline,
                condition=condition.name,
                auc=auc,
                tpr=tpr,
                fpr=fpr,
            )
        )
    return results


def main(dataset: Annotated[Path, tyro.conf.Positional], out: Path) -> None:
    """Train with and without the random JPEG quality, and evaluate on the hold-out (counted as an
    opening).

    Args:
        dataset: a collected data set.
        out: folder for the table, the figure, and cached features.
    """
    from training import keras_startup

    keras_startup.start_keras()
    records = manifest.read_manifest(dataset)
    splits.check_splits(records, splits.read_splits(dataset))
    store = FeatureStore(
        dataset,
        out / "features",
        Extractor(weights.find_base_weights(BASE_NAME), (IMAGE_SIDE_PX,), IMAGE_SIDE_PX),
    )
    n_openings = splits.record_hold_out_opening(dataset, "benchmarks.studies.jpeg_quality")
    console.print_heading(
        f"Three ways to end the canonicaliser, on {dataset} (opening {n_openings})"
    )
    results = [
        result
        for collection in COLLECTIONS
        for pipeline in FINAL_JPEG_PIPELINES
        for result in evaluate_pipeline(store, records, collection, pipeline)
    ]
    for collection in COLLECTIONS:
        console.print_table(
            collection.name,
            TABLE_COLUMNS,
            [format_cells(result) for result in results if result.collection == collection.name],
        )
    atomic_files.write_atomically(out / "jpeg-quality.md", render_markdown(results).encode())
    atomic_files.write_atomically(out / "jpeg-quality.png", render_curves(results))
    console.print_message(
        f"Table and figure: {out / 'jpeg-quality.md'}, {out / 'jpeg-quality.png'}"
    )


TABLE_COLUMNS = ("images", "final JPEG", "ROC AUC", "TPR", "FPR")


def format_cells(result: ConditionResult) -> tuple[str, ...]:
    metrics = str(result.auc), str(result.tpr), str(result.fpr)
    return result.condition, result.pipeline, *metrics


def render_markdown(results: Sequence[ConditionResult]) -> str:
    lines = []
    for collection in COLLECTIONS:
        rows = [format_cells(result) for result in results if result.collection == collection.name]
        lines += [
            f"{collection.name[0].upper()}{collection.name[1:]}:",
            "",
            measuring.render_markdown_table(TABLE_COLUMNS, rows),
        ]
    return "\n".join(lines)


LINE_STYLES = {
    "drawn from 60 to 95": {"color": "0.15", "linestyle": "-", "marker": "o"},
    "always 90": {"color": "#009e73", "linestyle": (0, (1, 1.2)), "marker": "^"},
    "no JPEG": {"color": "#cc79a7", "linestyle": (0, (4, 1.5)), "marker": "s"},
}
PANEL_TITLES = {
    "auc": "ROC AUC",
    "tpr": "generated images detected (TPR)",
    "fpr": "photographs called generated (FPR)",
}
JOINED_CONDITION_COUNT = 5
"""Conditions that are joined by a line: as in training, then decreasing JPEG quality."""


def render_curves(results: Sequence[ConditionResult]) -> bytes:
    """Render a row of panels per collection (AUC, TPR, FPR, with their intervals) as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.7 * len(COLLECTIONS) + 1), dpi=150, layout="constrained")
    panels = figure.subplots(len(COLLECTIONS), len(PANEL_TITLES), sharex=True, sharey=True)
    for row, collection in zip(panels, COLLECTIONS, strict=True):
        for axes, (metric, title) in zip(row, PANEL_TITLES.items(), strict=True):
            for index, pipeline in enumerate(FINAL_JPEG_PIPELINES):
                estimates = [
                    getattr(result, metric)
                    for result in results
                    if (result.collection, result.pipeline) == (collection.name, pipeline)
                ]
                _plot_pipeline(axes, estimates, pipeline, 0.2 * (index - 1))
            axes.set_title(title if collection is COLLECTIONS[0] else "", fontsize=10)
            axes.set_xticks(
                range(len(TEST_CONDITIONS)),
                [condition.name for condition in TEST_CONDITIONS],
                rotation=55,
                ha="right",
                rotation_mode="anchor",
            )
            axes.tick_params(labelsize=8)
            axes.grid(axis="y", color="0.92")
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel(textwrap.fill(collection.name, 30), fontsize=8.5)
    handles = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        *handles,
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=10,
        title="final JPEG of the canonicaliser",
    )
    return plotting.render_png(figure)


def _plot_pipeline(axes, estimates: Sequence[Estimate], pipeline: str, shift: float) -> None:
    x = np.arange(len(estimates)) + shift
    y = np.array([estimate.value for estimate in estimates])
    ends = np.array([[estimate.low, estimate.high] for estimate in estimates]).T
    style = LINE_STYLES[pipeline]
    axes.plot(
        x[:JOINED_CONDITION_COUNT],
        y[:JOINED_CONDITION_COUNT],
        linewidth=1.4,
        markersize=4,
        label=pipeline,
        **style,
    )
    axes.plot(
        x[JOINED_CONDITION_COUNT:],
        y[JOINED_CONDITION_COUNT:],
        markersize=4,
        **{**style, "linestyle": "none"},
    )
    axes.errorbar(
        x, y, np.abs(ends - y), fmt="none", ecolor=style["color"], elinewidth=0.8, alpha=0.6
    )


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.studies.jpeg_quality"))
