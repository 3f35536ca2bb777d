"""The winner of a search: its best heads trained once more, joined with their base, and saved with a card."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_collection import console, face_images, manifest
from training import (
    base_weights,
    baselines,
    costs,
    detector,
    head_search,
    lanes,
    leaderboard,
    onnx_files,
    run_logs,
    saved_models,
)
from training.base_weights import BaseWeights
from training.baselines import Baseline
from training.calibration import calibrate, sigmoid, temperature
from training.dataset import Dataset
from training.detector import Column
from training.feature_cache import Extractor
from training.head_search import Trial
from training.heads import TrainingFaces, blocks, indices, one_logit, untrained_head
from training.lanes import Plan, Trained
from training.settings import TrainingSettings
from training.wave import log_curves, plan_of

if TYPE_CHECKING:
    import keras

PATIENCE = 10
"""Epochs without a lower validation loss after which a head of the winner is left as it was at its best."""


@dataclass(frozen=True)
class Head:
    """A trained head, what it looks at, and its logits for the validation images' view 0 divided by its temperature."""

    values: dict[str, Any]
    columns: list[Column]
    model: "keras.Model"
    temperature: float
    logits: np.ndarray


@dataclass(frozen=True)
class Winner:
    """The best heads on one base, which speak with one voice: the mean of their calibrated logits.

    Attributes:
        generators: sources that every head has a voice for, where there were several.
        repeats: loss and AUC with every seed, where there were several.
    """

    base: str
    heads: list[Head]
    generators: Sequence[str] = ()
    repeats: Sequence[Mapping[str, float]] = ()

    @property
    def logits(self) -> np.ndarray:
        return np.mean([head.logits for head in self.heads], axis=0)


def fit(
    trials: Sequence[Trial],
    faces: Mapping[str, TrainingFaces],
    labels: np.ndarray,
    seed: int,
    settings: TrainingSettings,
    log_folder: Path,
) -> Winner:
    """Trains the best trial's head from the start, and the next best ones on the same base, as many as the committee has."""
    base = trials[0].values["base"]
    rivals = [trial for trial in leaderboard.distinct(trials) if trial.values["base"] == base][: settings.committee]
    more = {"epochs": 2 * settings.epochs, "patience": PATIENCE}
    plans = [plan_of(faces, trial.values, **more, seed=(seed, number)) for number, trial in enumerate(rivals, 1)]
    heads = []
    trained = lanes.train(faces[base], plans, settings.batch_size, seed)
    for number, (trial, plan, head) in enumerate(zip(rivals, plans, trained, strict=True), 1):
        who = f"seed {seed}, head{number}" if settings.repeats > 1 else f"head{number}"
        _tell(who, trial, head, log_folder if number == 1 else log_folder / f"head{number}")
        heads.append(_head(f"head{number}", trial, plan, head, faces[base], labels))
    return Winner(base, heads, faces[base].generators)


def _tell(who: str, trial: Trial, head: Trained, log_folder: Path) -> None:
    with run_logs.opened(log_folder) as run:
        log_curves(run, head)
    if head.diverged:
        raise console.PlainError(
            f"{who}, {head_search.describe(trial.values)}, diverged: its loss is not a number any more. Take another --seed."
        )
    loss, auc = (head.history[name][head.best] for name in ("val_loss", "val_auc"))
    console.say(
        f"{who}: {head_search.describe(trial.values)}: epoch {head.best + 1} of {len(head.history['loss'])}, "
        f"val_loss {loss:.4f}, val_auc {auc:.4f}"
    )


def _head(name: str, trial: Trial, plan: Plan, head: Trained, faces: TrainingFaces, labels: np.ndarray) -> Head:
    """The trained head in Keras, with its temperature."""
    built = untrained_head(faces, plan.columns, plan.layers, plan.units, plan.dropout, name)
    dense = [layer for layer in built.layers if type(layer).__name__ == "Dense"]
    for place, layer in enumerate(dense):
        layer.set_weights(head.weights[2 * place : 2 * place + 2])
    model = one_logit(built)
    index = indices(plan.columns)
    parts = [np.asarray(model.predict_on_batch(part[:, 0][:, index])) for part in blocks(faces.validation)]
    logits = np.concatenate(parts)[:, 0].astype(np.float64)
    heat = temperature(logits, labels)
    return Head(trial.values, list(plan.columns), model, heat, logits / heat)


def save(
    name: str,
    winner: Winner,
    trials: Sequence[Trial],
    rivals: Sequence[Baseline],
    data: Dataset,
    extractors: Mapping[str, Extractor],
    settings: TrainingSettings,
    banner: str,
) -> None:
    """Joins base and head, writes both model files, the linear baselines, the leaderboard, and the card last."""
    extractor = extractors[winner.base]
    labels = data.labels(data.validation)
    heat = temperature(winner.logits, labels)
    probabilities = sigmoid(winner.logits / heat)
    base = base_weights.load(extractor.weights)
    members = [
        detector.Member(head.columns, head.model, 1 / (head.temperature * heat * len(winner.heads))) for head in winner.heads
    ]
    model = detector.join(base, winner.base, extractor.side, members)
    with saved_models.being_written(settings.saved_models, name) as folder:
        model.save(folder / saved_models.KERAS_FILE)
        parity = onnx_files.export_checked(model, folder / saved_models.ONNX_FILE)
        console.say(f"detector.keras and detector.onnx differ by {parity:.1e} at most.")
        compared = _save_baselines(rivals, extractors, labels, settings.target_fpr, folder)
        head_search.keep(folder / "leaderboard.jsonl", list(trials))
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".keras", ".onnx"))
        card = saved_models.Card(
            name=name,
            created=saved_models.now(),
            image_size=extractor.side,
            canonicaliser=face_images.CANONICALISER_VERSION,
            dataset=data.described(),
            base=_describe_weights(extractor.weights),
            search={
                "tuner": settings.tuner,
                "trials": len(trials),
                "winner": [head.values for head in winner.heads],
                "weights": [member.weight for member in members],
                "generators": list(winner.generators),
                "repeats": list(winner.repeats),
            },
            calibration=calibrate(probabilities, labels, settings.target_fpr, heat),
            metrics=leaderboard.metrics(probabilities, labels),
            baselines=compared,
            parity=parity,
            sha256={path.relative_to(folder).as_posix(): onnx_files.sha256(path) for path in files},
            versions=saved_models.versions(),
            settings=json.loads(json.dumps(dataclasses.asdict(settings), default=str)),
            banner=banner,
            crop=data.train[0].crop,
            cost=asdict(costs.measure(folder / saved_models.ONNX_FILE)),
        )
        manifest.write_whole(folder / costs.PICTURE, costs.figure(costs.priced(card)))
        saved_models.write_card(folder, card)


def _save_baselines(
    rivals: Sequence[Baseline], extractors: Mapping[str, Extractor], labels: np.ndarray, target_fpr: float, folder: Path
) -> dict[str, dict]:
    """Metrics of every baseline; all that look at pictures also become ONNX detectors, to be judged like the winner."""
    described: dict[str, dict] = {}
    if any(extractor.engine == "keras" for extractor in extractors.values()):
        console.warn("Linear baselines are not kept for the hold-out with --engine keras.")
    (folder / "baselines").mkdir()
    for rival in rivals:
        described[rival.name] = {"metrics": leaderboard.metrics(rival.probabilities, labels)}
        path = folder / "baselines" / f"{rival.name.replace(',', '').replace(' ', '-')}.onnx"
        if rival.model is not None:
            rival.model.save(path.with_suffix(".keras"))
            onnx_files.export_checked(rival.model, path)
        elif rival.weights is not None and extractors[rival.base].engine != "keras":
            baselines.export(rival, extractors[rival.base].onnx_path, path)
        else:
            continue
        described[rival.name] |= {
            "file": path.relative_to(folder).as_posix(),
            "calibration": asdict(calibrate(rival.probabilities, labels, target_fpr)),
            "cost": asdict(costs.measure(path)),
        }
    return described


def _describe_weights(weights: BaseWeights) -> dict[str, str]:
    return {"name": weights.base, "origin": weights.origin, "sha256": weights.sha256, "note": weights.note}
