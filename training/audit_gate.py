"""Check before training that the audit saw the pictures that training sees, and is not RED.

A nuisance that nearly decides the label is RED if the base's own features of border and background
alone nearly decide it, too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import audit_dataset
from data_collection.audit import audit_file
from data_collection.audit.audit import SizeAudit, add_size
from data_collection.audit.probes import NEAR_PERFECT_AUC, ProbeResult
from data_collection.audit.scores import (
    CROSS_VALIDATION_FOLDS,
    compute_auc,
    compute_auc_interval,
    compute_out_of_fold_scores,
)
from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from training.dataset import Dataset
from training.features.extractor import Extractor
from training.features.pixels import load_view_batches, make_view_batches

BACKGROUND_PROBE = "features of the base, border and background alone"

BORDER_SHARE, MASK_GREY = 1 / 8, 128
"""Width of the strip that is left along every edge, in parts of the side, and the value that
everything inside is set to."""

MAX_BACKGROUND_IMAGES_PER_CLASS = 300


@dataclass(frozen=True, kw_only=True)
class TrainingPictures:
    """The pictures that a base is given.

    Attributes:
        side: of the pictures, in pixels.
        open_extractor: opens the base; called only where its features have to decide.
    """

    side: int
    open_extractor: Callable[[], Extractor] | None = None


def check_audit(
    data: Dataset, pictures: TrainingPictures, logs: Path, accept_shortcuts: bool, seed: int = 0
) -> str:
    """Return the note that reports of this training begin with; may be empty.

    A data set that was audited at other sizes is audited at this one. One that was never audited,
    or has changed since, is not: the collection was told so, and the note says it.

    Args:
        logs: folder of all TensorBoard logs.

    Raises:
        PlainError: with exit code 4, if the audit is RED and shortcuts are not accepted.
    """
    audit = audit_file.read_audit(data.folder)
    if audit and audit.fingerprint == manifest.compute_fingerprint(data.records):
        if not audit.find_size(pictures.side):
            audit = audit_dataset.audit_dataset(
                data.folder, logs, seed, force=False, sizes=(pictures.side,)
            )
        of_size = audit.find_size(pictures.side)
        if pictures.open_extractor and _needs_confirmation(of_size):
            probe = evaluate_background(data, pictures.open_extractor(), seed)
            audit = add_size(
                audit, of_size.size, of_size.as_trained, of_size.placebo, confirmations=[probe]
            )
            audit_dataset.save_audit(data.folder, data.records, audit)
    return audit_file.check_audit_gate(data.folder, data.records, pictures.side, accept_shortcuts)


def _needs_confirmation(of_size: SizeAudit) -> bool:
    """Return whether a nuisance nearly decides the label, and nothing has made the audit RED."""
    is_open = of_size.status != "RED" and not of_size.confirmations
    return is_open and bool(of_size.near_perfect_nuisances)


def evaluate_background(data: Dataset, extractor: Extractor, seed: int) -> ProbeResult:
    """Evaluate how well the base's features of border and background predict the label."""
    records = _sample_records(data.train + data.validation, seed)
    table = extract_background_features(data.folder, records, extractor)
    generated = np.array([record.label == "generated" for record in records])
    groups = np.array([record.group for record in records])
    n_groups = min(len(set(groups[generated == side])) for side in (False, True))
    auc, low, high = 0.5, 0.0, 1.0
    if n_groups >= 2 * CROSS_VALIDATION_FOLDS:
        (score,) = compute_out_of_fold_scores(table, generated, groups, seed, with_tree=False)
        auc = compute_auc(score, generated)
        low, high = compute_auc_interval(score, generated, groups, seed)
    return ProbeResult(
        name=BACKGROUND_PROBE,
        tier=1,
        auc=round(auc, 4),
        low=round(low, 4),
        high=round(high, 4),
        best_single=f"{extractor.weights.base}, logistic regression on {extractor.width} features",
        status="RED" if low >= NEAR_PERFECT_AUC else "reported",
    )


def _sample_records(records: list[FaceRecord], seed: int) -> list[FaceRecord]:
    random = np.random.default_rng(seed)
    chosen: list[FaceRecord] = []
    for label in manifest.LABELS:
        of_class = [record for record in records if record.label == label]
        order = random.permutation(len(of_class))[:MAX_BACKGROUND_IMAGES_PER_CLASS]
        chosen += [of_class[i] for i in order]
    return chosen


def extract_background_features(
    folder: Path, records: list[FaceRecord], extractor: Extractor
) -> np.ndarray:
    """Return features of view 0 with everything but the border hidden, (images, width)."""

    def run_base(pixels: np.ndarray) -> np.ndarray:
        return np.asarray(extractor.run(hide_centre(pixels).astype(np.float32)))

    batches = make_view_batches([(record, 0) for record in records], extractor.batch_size)
    is_run_by_loader = extractor.engine != "keras"  # as in compute_features
    loaded = load_view_batches(
        folder,
        batches,
        extractor.side,
        transform=run_base if is_run_by_loader else None,
        n_cores=extractor.n_cores,
    )
    parts = [values if is_run_by_loader else run_base(values) for _, values in loaded]
    return np.concatenate(parts)


def hide_centre(pixels: np.ndarray) -> np.ndarray:
    """Return images, (n, side, side, 3), with all but a strip along the edges set to grey."""
    side = pixels.shape[1]
    strip = max(round(side * BORDER_SHARE), 1)
    hidden = pixels.copy()
    hidden[:, strip : side - strip, strip : side - strip] = MASK_GREY
    return hidden
