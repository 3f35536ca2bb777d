"""How a detector's verdicts hold when pictures are passed on, and whether one class suffers more than the other.

Each original is decoded once, every distortion is applied to it at its native resolution, and the ordinary path follows: the
canonicaliser, the detector, its frozen threshold. Distorting both classes shows robustness; distorting one alone shows bias,
a score that follows the file's history and not its making (after Ricker et al. 2026).
"""

import concurrent.futures
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection import face_images, manifest
from data_collection.manifest import FaceRecord
from validation import intervals, metrics
from validation.distortions import DISTORTIONS, DISTORTIONS_VERSION, UNDISTORTED, Distortion
from validation.judged import Judged, Weighted
from validation.kept import in_chunks, kept
from validation.metrics import Estimate

Run = Callable[[np.ndarray], np.ndarray]

CHUNK = 16
# ONNX Runtime on one core is fastest with batches of two to four, and so no thread holds more pictures than that.
BATCH = 4

LARGEST = 1024
"""Larger squares are shrunk to this first, as every service that passes pictures on does; it also bounds the time."""


@dataclass(frozen=True)
class Condition:
    """What one distortion does; every figure with its 95% interval, n/a where it needs the class that is missing.

    Attributes:
        auc, tpr, fpr, ece: with both classes distorted, at the frozen threshold.
        flipped: share of images whose call (generated or not) differs from the undistorted one's.
        auc_real_only, auc_generated_only: with only that class distorted, the other as it is.
        bias: the first less the second: above 0, the distortion makes pictures look less generated whatever they are;
            under 0, more.
    """

    family: str
    value: str
    auc: Estimate
    tpr: Estimate
    fpr: Estimate
    ece: Estimate
    flipped: Estimate
    auc_real_only: Estimate
    auc_generated_only: Estimate
    bias: Estimate

    @property
    def name(self) -> str:
        return f"{self.family} {self.value}".strip()


def run(
    folder: Path,
    records: Sequence[FaceRecord],
    detector_run: Run,
    image_size: int,
    keep: Path,
    key: Sequence,
    distortions: Sequence[Distortion] = DISTORTIONS,
) -> dict[str, np.ndarray]:
    """Probabilities of *generated*, (images,), by the name of the condition; "none" is the first.

    Args:
        folder: the data set's folder.
        detector_run: from pixels uint8 (n, image_size, image_size, 3) to probabilities (n,); called on every core at once, so
            a single-threaded ONNX session is fastest.
        keep: folder for finished chunks, which an interrupted run finds there again.
        key: what tells this detector from every other, such as the hash of its file; JSON serialisable.
    """
    conditions = (UNDISTORTED, *distortions)
    same = [*key, image_size, face_images.CANONICALISER_VERSION, DISTORTIONS_VERSION, [each.name for each in conditions]]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        one = partial(_probabilities, folder, conditions, detector_run, image_size)

        def work(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
            ids = [[record.id, record.crop] for record in chunk]
            return kept(keep, "robustness", [*same, ids], partial(_of_chunk, pool, one, conditions, chunk))

        return in_chunks(records, CHUNK, "distorting and judging", work)


def _of_chunk(pool, one: Callable, conditions: Sequence[Distortion], chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
    table = np.stack(list(pool.map(one, chunk)))
    return {each.name: column for each, column in zip(conditions, table.T, strict=True)}


def _probabilities(
    folder: Path, conditions: Sequence[Distortion], detector_run: Run, size: int, record: FaceRecord
) -> np.ndarray:
    face = face_images.decode(manifest.read_original(folder, record), record.crop)
    face.square.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    found = []
    for start in range(0, len(conditions), BATCH):
        faces = (replace(face, square=each.of(face.square, record.id)) for each in conditions[start : start + BATCH])
        found.append(detector_run(np.stack([face_images.canonical_face(each, record.id, size) for each in faces])))
    return np.concatenate(found)


def figures_of(
    probabilities: Mapping[str, np.ndarray],
    clean: Judged,
    distortions: Sequence[Distortion] = DISTORTIONS,
    replicates: int = intervals.REPLICATES,
) -> list[Condition]:
    """A row for each condition of `run`, the undistorted one first.

    Args:
        clean: labels, groups and threshold of the same images, in the same order.
    """
    clean = replace(clean, probabilities=probabilities[UNDISTORTED.name])
    return [_condition(each, probabilities[each.name], clean, replicates) for each in (UNDISTORTED, *distortions)]


def _condition(distortion: Distortion, distorted: np.ndarray, clean: Judged, replicates: int) -> Condition:
    both = replace(clean, probabilities=distorted)
    whole = metrics.estimates(both, ("ROC AUC", "TPR", "FPR", "ECE"), replicates)
    return Condition(distortion.family, distortion.value, *whole.values(), *_against(clean, both, replicates))


def _against(clean: Judged, distorted: Judged, replicates: int) -> list[Estimate]:
    """flipped, auc_real_only, auc_generated_only and bias, all from the same replicates."""
    flips = distorted.called_generated != clean.called_generated
    one_sided = [
        replace(clean, probabilities=np.where(clean.labels == label, distorted.probabilities, clean.probabilities))
        for label in (0, 1)
    ]

    def values(weights: np.ndarray) -> np.ndarray:
        real_only, generated_only = (metrics.roc_auc(Weighted(each, weights)) for each in one_sided)
        return np.stack([weights @ flips / weights.sum(axis=1), real_only, generated_only, real_only - generated_only])

    points = values(np.ones((1, len(flips))))[:, 0].tolist()
    drawn = np.concatenate([values(weights) for weights in intervals.resampled(clean, replicates, seed=0)], axis=1)
    found = [Estimate(value, *intervals.percentiles(row)) for value, row in zip(points, drawn, strict=True)]
    exact = intervals.exact(points[0], len(np.unique(clean.groups)), intervals.CONFIDENCE)
    return [Estimate(points[0], *intervals.wider((found[0].low, found[0].high), exact)), *found[1:]]


def most_biased(rows: Sequence[Condition]) -> Condition | None:
    """The row with the bias index, the largest |bias|; None where a class is missing.

    The largest of many noisy figures is never 0, bias or none: its interval says what may be chance.
    """
    known = [row for row in rows if not np.isnan(row.bias.value)]
    return max(known, key=lambda row: abs(row.bias.value), default=None)
