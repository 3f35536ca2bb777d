"""Writes a fine-tuned detector: its card names its parent, which is kept beside it as a
baseline."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from data_collection.dataset import manifest
from finetuning.depth_search import DepthSearchResult
from finetuning.depth_trials import DepthHyperModel
from runtime import atomic_files
from training import calibration, tensorboard_logs
from training.calibration import calibrate_probabilities, fit_temperature, sigmoid
from training.detectors import assembly, costs, detector_files, saved_models
from training.detectors import card as detector_card
from training.detectors.detector_files import BASELINES_FOLDER, LEADERBOARD_FILE


def save_finetuned_detector(
    name: str, outcome: DepthSearchResult, hypermodel: DepthHyperModel, banner: str
) -> None:
    """Saves the detector whose weights the hypermodel's parent has now.

    Args:
        banner: what every report on the detector says first.

    Raises:
        PlainError: the ONNX file differs from the Keras model.
    """
    start, settings, data = hypermodel.parent, hypermodel.settings, hypermodel.data
    card, best = start.card, outcome.best
    labels = data.encode_labels(data.validation)
    logits = hypermodel.logits(best.depth)
    heat = fit_temperature(logits, labels)
    probabilities = sigmoid(logits / heat)
    members = [replace(member, weight=member.weight / heat) for member in start.members]
    model = assembly.build_detector_model(start.base, card.image_size, members)
    with saved_models.create_model_folder(settings.saved_models, name) as folder:
        parity = detector_files.write_model_files(model, folder)
        compared = copy_baselines(hypermodel, labels, folder)
        _write_depth_leaderboard(outcome, folder / LEADERBOARD_FILE)
        opened = [block.name for block in hypermodel.found[: best.depth]]
        written = replace(
            card,
            name=name,
            created=detector_card.make_timestamp(),
            dataset=data.described(),
            base={**card.base, "note": f"{card.base['note']}; {', '.join(opened)} fine-tuned"},
            search={
                **card.search,
                "weights": [member.weight for member in members],
                "parent": card.name,
                "finetuning": {
                    "depth": best.depth,
                    "blocks": opened,
                    "values": best.values,
                    "repeats": [
                        {"loss": tuned.loss, "auc": tuned.auc} for tuned in outcome.repeats
                    ],
                    "moved": [asdict(moved) for moved in best.moved],
                },
            },
            calibration=calibrate_probabilities(
                probabilities, labels, card.calibration.target_fpr, heat
            ),
            metrics=asdict(calibration.compute_scores(probabilities, labels)),
            baselines=compared,
            parity=parity,
            cost=asdict(costs.measure_cost(folder / saved_models.ONNX_FILE)),
            sha256=detector_files.hash_model_files(folder),
            settings={
                **card.settings,
                "finetuning": json.loads(json.dumps(asdict(settings), default=str)),
            },
            banner=banner,
        )
        detector_files.write_card_and_figure(folder, written)
    with tensorboard_logs.open_run_log(settings.logs / "finetuning" / name) as run:
        run.pr_curve("validation/precision_recall", labels, probabilities)
        run.scalars({f"validation/{key}": value for key, value in written.metrics.items()})


def _write_depth_leaderboard(outcome: DepthSearchResult, path: Path) -> None:
    rows = [
        {
            "depth": tuned.depth,
            **tuned.values,
            "val_loss": tuned.loss,
            "val_auc": tuned.auc,
            "epochs": tuned.epochs,
        }
        for tuned in (outcome.before, *outcome.trials)
    ]
    atomic_files.write_atomically(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def copy_baselines(
    hypermodel: DepthHyperModel, labels: np.ndarray, folder: Path
) -> dict[str, dict]:
    """The parent, so that the hold-out report shows before and after side by side, and its own
    baselines.

    On another data set than the parent's these are left out: their metrics are of other images.
    """
    start, data = hypermodel.parent, hypermodel.data
    card, file = start.card, f"{BASELINES_FOLDER}/parent.onnx"
    same = manifest.compute_fingerprint(data.records) == card.dataset["fingerprint"]
    shutil.copytree(start.folder / BASELINES_FOLDER, folder / BASELINES_FOLDER) if same else (
        folder / BASELINES_FOLDER
    ).mkdir()
    shutil.copyfile(start.folder / saved_models.ONNX_FILE, folder / file)
    metrics = asdict(calibration.compute_scores(sigmoid(hypermodel.logits_before()), labels))
    own = {
        "metrics": metrics,
        "file": file,
        "calibration": asdict(card.calibration),
        "cost": card.cost,
    }
    return {f"before fine-tuning: {card.name}": own, **(card.baselines if same else {})}
