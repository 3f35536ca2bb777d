"""Save a fine-tuned detector; its card names its source detector, saved beside it as a baseline."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from data_collection.audit.audit_file import read_audit_status
from data_collection.dataset import manifest
from data_collection.images import canonical
from data_collection.sources import sample
from finetuning.depth_search import DepthSearchResult
from finetuning.depth_trials import DepthHyperModel
from finetuning.tuning_methods import TUNING_METHODS
from runtime import atomic_files
from training import calibration, tensorboard_logs
from training.calibration import fit_temperature, sigmoid
from training.cuts.choose_cuts import CutTargets, calibrate_on_validation
from training.detectors import assembly, costs, detector_files, saved_models
from training.detectors.assembly import EnsembleMember
from training.detectors.card import Card, make_timestamp
from training.detectors.card_fields import (
    BaselineDescription,
    FinetuningDescription,
    SearchDescription,
    SeedScores,
)
from training.detectors.detector_files import BASELINES_FOLDER, LEADERBOARD_FILE

SOURCE_DETECTOR_FILE = "source-detector.onnx"
"""The source detector's ONNX file in the baselines' folder of the fine-tuned one."""


def save_finetuned_detector(
    name: str, result: DepthSearchResult, hypermodel: DepthHyperModel, banner: str
) -> None:
    """Save the detector with the current weights of the hypermodel's parts.

    Args:
        banner: first sentence of every report on the detector.

    Raises:
        PlainError: the ONNX file differs from the Keras model.
    """
    parts, settings, data = hypermodel.parts, hypermodel.settings, hypermodel.data
    labels = data.encode_labels(data.validation)
    logits = hypermodel.compute_logits(result.saved.depth)
    temperature = fit_temperature(logits.mean(axis=1), labels)
    logits = logits / temperature
    probabilities = sigmoid(logits.mean(axis=1))
    members = [replace(member, weight=member.weight / temperature) for member in parts.members]
    model = assembly.build_detector_model(parts.base, parts.card.image_size, members)
    source = parts.card.calibration
    targets = CutTargets(false_alarms=source.false_alarms, misses=source.misses)
    groups = [record.group for record in data.validation]
    with saved_models.create_model_folder(settings.saved_models, name) as folder:
        parity = detector_files.write_model_files(model, folder)
        baselines = copy_baselines(hypermodel, labels, folder)
        _write_depth_leaderboard(result, folder / LEADERBOARD_FILE)
        card = replace(
            _describe_finetuning(result, hypermodel, members),
            name=name,
            created=make_timestamp(),
            qualities=canonical.JUDGEMENT_QUALITIES,
            calibration=calibrate_on_validation(logits, labels, groups, targets, temperature),
            left_out=(),
            attribution=None,
            metrics=calibration.compute_scores(probabilities, labels),
            baselines=baselines,
            parity=parity,
            cost=costs.measure_cost(folder / saved_models.ONNX_FILE),
            sha256=detector_files.hash_model_files(folder),
            banner=banner,
        )
        detector_files.write_card_and_figure(folder, card)
    with tensorboard_logs.open_run_log(settings.logs / "finetuning" / name) as run:
        run.add_pr_curve("validation/precision_recall", labels, probabilities)
        run.add_scalars({f"validation/{key}": value for key, value in asdict(card.metrics).items()})


def _describe_finetuning(
    result: DepthSearchResult, hypermodel: DepthHyperModel, members: list[EnsembleMember]
) -> Card:
    """Return the source detector's card with data set, base, search and settings of this run."""
    card, data, saved = hypermodel.parts.card, hypermodel.data, result.saved
    blocks = tuple(block.name for block in hypermodel.blocks[: saved.depth])
    tuned = TUNING_METHODS[saved.values["method"]].verb
    finetuning = FinetuningDescription(
        depth=saved.depth,
        blocks=blocks,
        values=saved.values,
        repeats=tuple(SeedScores(trial.loss, trial.auc) for trial in result.repeats),
        changes=tuple(saved.changes),
        gain=result.gain,
        accept_other_data=hypermodel.settings.accept_other_data,
    )
    search: SearchDescription = replace(
        card.search,
        weights=tuple(member.weight for member in members),
        source_detector=card.name,
        finetuning=finetuning,
    )
    settings = json.loads(json.dumps(asdict(hypermodel.settings), default=str))
    return replace(
        card,
        dataset=detector_files.describe_dataset(data.folder, data.records),
        base=replace(card.base, note=f"{card.base.note}; {', '.join(blocks)} {tuned}"),
        search=search,
        settings={**card.settings, "finetuning": settings},
        practice=card.practice or sample.is_practice_data(data.records),
        audit_status=read_audit_status(data.folder, card.image_size),
    )


def _write_depth_leaderboard(result: DepthSearchResult, path: Path) -> None:
    rows = [
        {
            "depth": trial.depth,
            **trial.values,
            "val_loss": trial.loss,
            "val_auc": trial.auc,
            "epochs": trial.epochs,
        }
        for trial in (result.source, *result.trials)
    ]
    atomic_files.write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def copy_baselines(
    hypermodel: DepthHyperModel, labels: np.ndarray, folder: Path
) -> dict[str, BaselineDescription]:
    """Copy the source detector and its baselines; return their descriptions by name.

    The hold-out report then shows both detectors side by side. On a data set other than the source
    detector's, its baselines are left out: their metrics were measured on other images.
    """
    parts, records = hypermodel.parts, hypermodel.data.records
    card, baselines = parts.card, folder / BASELINES_FOLDER
    is_same_data = manifest.compute_fingerprint(records) == card.dataset.fingerprint
    if is_same_data and (parts.folder / BASELINES_FOLDER).is_dir():  # a ready detector has none
        shutil.copytree(parts.folder / BASELINES_FOLDER, baselines)
    else:
        baselines.mkdir()
    (baselines / SOURCE_DETECTOR_FILE).write_bytes(
        saved_models.read_verified_model(parts.folder, card, saved_models.ONNX_FILE)
    )
    source = BaselineDescription(
        metrics=calibration.compute_scores(sigmoid(hypermodel.compute_source_logits()), labels),
        file=f"{BASELINES_FOLDER}/{SOURCE_DETECTOR_FILE}",
        calibration=card.calibration,
        cost=card.cost,
    )
    return {f"before fine-tuning: {card.name}": source, **(card.baselines if is_same_data else {})}
