"""Writes a fine-tuned detector: its card names its parent, which is kept beside it as a baseline."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from data_collection import console, manifest
from finetuning.depth_model import DepthHyperModel
from finetuning.depth_search import Outcome
from training import costs, detector, leaderboard, onnx_files, run_logs, saved_models
from training.calibration import calibrate, sigmoid, temperature

BASELINES = "baselines"


def save(name: str, outcome: Outcome, hypermodel: DepthHyperModel, banner: str) -> None:
    """Saves the detector whose weights the hypermodel's parent has now.

    Args:
        banner: what every report on the detector says first.

    Raises:
        PlainError: the ONNX file differs from the Keras model.
    """
    start, settings, data = hypermodel.parent, hypermodel.settings, hypermodel.data
    card, best = start.card, outcome.best
    labels = data.labels(data.validation)
    logits = hypermodel.logits(best.depth)
    heat = temperature(logits, labels)
    probabilities = sigmoid(logits / heat)
    members = [replace(member, weight=member.weight / heat) for member in start.members]
    model = detector.join(start.base, card.base["name"], card.image_size, members)
    with saved_models.being_written(settings.saved_models, name) as folder:
        model.save(folder / saved_models.KERAS_FILE)
        parity = onnx_files.export_checked(model, folder / saved_models.ONNX_FILE)
        console.say(f"detector.keras and detector.onnx differ by {parity:.1e} at most.")
        compared = keep_baselines(hypermodel, labels, folder)
        _keep_leaderboard(outcome, folder / "leaderboard.jsonl")
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".keras", ".onnx"))
        opened = [block.name for block in hypermodel.found[: best.depth]]
        written = replace(
            card,
            name=name,
            created=saved_models.now(),
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
                    "repeats": [{"loss": tuned.loss, "auc": tuned.auc} for tuned in outcome.repeats],
                    "moved": [asdict(moved) for moved in best.moved],
                },
            },
            calibration=calibrate(probabilities, labels, card.calibration.target_fpr, heat),
            metrics=leaderboard.metrics(probabilities, labels),
            baselines=compared,
            parity=parity,
            cost=asdict(costs.measure(folder / saved_models.ONNX_FILE)),
            sha256={path.relative_to(folder).as_posix(): onnx_files.sha256(path) for path in files},
            settings={**card.settings, "finetuning": json.loads(json.dumps(asdict(settings), default=str))},
            banner=banner,
        )
        manifest.write_whole(folder / costs.PICTURE, costs.figure(costs.priced(written)))
        saved_models.write_card(folder, written)
    with run_logs.opened(settings.logs / "finetuning" / name) as run:
        run.pr_curve("validation/precision_recall", labels, probabilities)
        run.scalars({f"validation/{key}": value for key, value in written.metrics.items()})


def _keep_leaderboard(outcome: Outcome, path: Path) -> None:
    rows = [
        {"depth": tuned.depth, **tuned.values, "val_loss": tuned.loss, "val_auc": tuned.auc, "epochs": tuned.epochs}
        for tuned in (outcome.before, *outcome.trials)
    ]
    manifest.write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def keep_baselines(hypermodel: DepthHyperModel, labels: np.ndarray, folder: Path) -> dict[str, dict]:
    """The parent, so that the hold-out report shows before and after side by side, and its own baselines.

    On another data set than the parent's these are left out: their metrics are of other images.
    """
    start, data = hypermodel.parent, hypermodel.data
    card, file = start.card, f"{BASELINES}/parent.onnx"
    same = manifest.fingerprint(data.records) == card.dataset["fingerprint"]
    shutil.copytree(start.folder / BASELINES, folder / BASELINES) if same else (folder / BASELINES).mkdir()
    shutil.copyfile(start.folder / saved_models.ONNX_FILE, folder / file)
    metrics = leaderboard.metrics(sigmoid(hypermodel.logits_before()), labels)
    own = {"metrics": metrics, "file": file, "calibration": asdict(card.calibration), "cost": card.cost}
    return {f"before fine-tuning: {card.name}": own, **(card.baselines if same else {})}
