"""Write the files of a saved detector that training and fine-tuning have in common.

These are the models, baselines, hashes, cost figure and card.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from runtime import atomic_files, console, hashing
from training import calibration
from training.baselines import linear
from training.baselines.linear import Baseline
from training.cuts.choose_cuts import CutTargets, calibrate_on_validation
from training.dataset import Dataset
from training.detectors import cost_figure, costs, own_detectors, saved_models, shared_base
from training.detectors.card import Card, write_card
from training.detectors.card_fields import BaselineDescription, DatasetDescription
from training.features.extractor import Extractor
from training.onnx_files import onnx_export

if TYPE_CHECKING:
    import keras


BASELINES_FOLDER, LEADERBOARD_FILE = "baselines", "leaderboard.jsonl"


def describe_dataset(folder: Path, records: Sequence[FaceRecord]) -> DatasetDescription:
    """Describe a data set by its folder, its hashes, and its accepted images."""
    counts = Counter((record.split, record.label) for record in records if record.accepted)
    return DatasetDescription(
        folder=str(folder),
        fingerprint=manifest.compute_fingerprint(records),
        hold_out_sha256=splits.compute_hold_out_sha256(records),
        images={
            split: {label: counts[split, label] for label in manifest.LABELS}
            for split in splits.SPLITS
        },
    )


def write_model_files(model: "keras.Model", folder: Path) -> float:
    """Write detector.keras and detector.onnx; return the largest difference of their outputs.

    Raises:
        PlainError: they differ too much.
    """
    model.save(folder / saved_models.KERAS_FILE)
    parity = onnx_export.export_checked_onnx(model, folder / saved_models.ONNX_FILE)
    console.print_message(f"detector.keras and detector.onnx differ by {parity:.1e} at most.")
    return parity


def hash_model_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every model file, by its path inside the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".keras", ".onnx"))
    hashes = {path: hashing.hash_file(path) for path in paths}
    for parts in sorted(folder.rglob(f"*{shared_base.PARTS_SUFFIX}")):
        path = parts.with_name(parts.name.removesuffix(shared_base.PARTS_SUFFIX))
        hashes[path] = hashing.hash_bytes(shared_base.restore_bytes(path))
    return {path.relative_to(folder).as_posix(): digest for path, digest in hashes.items()}


def write_card_and_figure(folder: Path, card: Card) -> None:
    """Write the figure of accuracy and costs, and the card last; a large base is not kept twice."""
    for base in card.bases:
        shared_base.detach_base(folder, base)
    figure = cost_figure.plot_costs(costs.rank_costs(card), card.name)
    atomic_files.write_atomically(folder / cost_figure.COST_FIGURE_FILE, figure)
    write_card(folder, card)
    own_detectors.mark_as_trained_here(folder)


def write_baseline_files(
    baselines: Sequence[Baseline],
    extractors: Mapping[str, Extractor],
    validation: Sequence[FaceRecord],
    targets: CutTargets,
    folder: Path,
) -> dict[str, BaselineDescription]:
    """Save and describe every baseline, by name.

    Those that use pixels become ONNX detectors, which validation evaluates beside the final one.

    Args:
        validation: the images that the baselines' probabilities are of.
    """
    labels = Dataset.encode_labels(validation)
    groups = [record.group for record in validation]
    if any(extractor.engine == "keras" for extractor in extractors.values()):
        console.print_warning("With --engine keras, linear baselines are not saved for validation.")
    (folder / BASELINES_FOLDER).mkdir()
    descriptions = {}
    for baseline in baselines:
        scores = calibration.compute_scores(baseline.probabilities, labels)
        path = _write_baseline_model(baseline, extractors, folder / BASELINES_FOLDER)
        descriptions[baseline.name] = BaselineDescription(scores)
        if path is not None:
            descriptions[baseline.name] = BaselineDescription(
                metrics=scores,
                file=path.relative_to(folder).as_posix(),
                calibration=calibrate_on_validation(baseline.logits, labels, groups, targets),
                cost=costs.measure_cost(path),
            )
    return descriptions


def _write_baseline_model(
    baseline: Baseline, extractors: Mapping[str, Extractor], folder: Path
) -> Path | None:
    """Save a baseline that can classify images; return its ONNX file, or None."""
    path = folder / f"{baseline.name.replace(',', '').replace(' ', '-')}.onnx"
    if baseline.model is not None:
        baseline.model.save(path.with_suffix(".keras"))
        onnx_export.export_checked_onnx(baseline.model, path)
        return path
    if baseline.weights is not None and extractors[baseline.base].engine != "keras":
        linear.export_linear_baseline(baseline, extractors[baseline.base].onnx_path, path)
        return path
    return None
