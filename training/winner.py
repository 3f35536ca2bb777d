"""The winner of a search: its best heads trained once more, joined with their base, and saved with a card."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_collection import console, face_images, manifest
from training import base_weights, baselines, costs, detector, head_search, leaderboard, onnx_files, run_logs, saved_models
from training.base_weights import BaseWeights
from training.baselines import Baseline
from training.calibration import calibrate, sigmoid, temperature
from training.dataset import Dataset
from training.detector import Column
from training.feature_cache import Extractor
from training.head_search import Trial
from training.heads import TrainingFaces, build_head, chosen, fit_head, indices, one_logit
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras


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
    heads = []
    for number, trial in enumerate(rivals, 1):
        folder = log_folder if number == 1 else log_folder / f"head{number}"
        heads.append(_fit_head(f"head{number}", trial, faces[base], labels, seed, settings, folder))
    return Winner(base, heads, faces[base].generators)


def _fit_head(
    name: str, trial: Trial, faces: TrainingFaces, labels: np.ndarray, seed: int, settings: TrainingSettings, log_folder: Path
) -> Head:
    import keras

    keras.utils.set_random_seed(seed)
    values = trial.values
    columns = chosen(faces.columns, values)
    shape = values["layers"], values.get("units", 0)
    rates = values["dropout"], values["weight_decay"], values["learning_rate"]
    model = build_head(faces, columns, *shape, *rates, name=name)
    callbacks = [run_logs.callback(log_folder)]
    history = fit_head(model, faces.arrays(columns), settings.batch_size, 10, callbacks=callbacks, epochs=2 * settings.epochs)
    best = int(np.argmin(history.history["val_loss"]))
    who = f"seed {seed}, {name}" if settings.repeats > 1 else name
    console.say(
        f"{who}: {head_search.describe(values)}: epoch {best + 1} of {len(history.epoch)}, "
        f"val_loss {history.history['val_loss'][best]:.4f}, val_auc {history.history['val_auc'][best]:.4f}"
    )
    model = one_logit(model)
    logits = np.asarray(model.predict(faces.validation[:, 0][:, indices(columns)], verbose=0))[:, 0].astype(np.float64)
    heat = temperature(logits, labels)
    return Head(values, columns, model, heat, logits / heat)


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
    if any(extractor.engine != "onnxruntime" for extractor in extractors.values()):
        console.warn("Linear baselines are kept for the hold-out with --engine onnxruntime only.")
    (folder / "baselines").mkdir()
    for rival in rivals:
        described[rival.name] = {"metrics": leaderboard.metrics(rival.probabilities, labels)}
        path = folder / "baselines" / f"{rival.name.replace(',', '').replace(' ', '-')}.onnx"
        if rival.model is not None:
            rival.model.save(path.with_suffix(".keras"))
            onnx_files.export_checked(rival.model, path)
        elif rival.weights is not None and extractors[rival.base].engine == "onnxruntime":
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
