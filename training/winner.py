"""The winner of a search: trained once more, joined with its base, and saved with its card."""

import dataclasses
import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection import console, face_images, manifest, splits
from training import base_weights, baselines, detector, head_search, leaderboard, onnx_files, run_logs, saved_models
from training.base_weights import BaseWeights
from training.baselines import Baseline
from training.calibration import calibrate, sigmoid, temperature
from training.dataset import Dataset
from training.detector import Column
from training.feature_cache import Extractor
from training.head_search import Trial
from training.heads import TrainingFaces, build_head, chosen, fit_head, indices
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Winner:
    """The trained head and what it looks at; `logits` are of the validation images' view 0."""

    base: str
    columns: list[Column]
    head: "keras.Model"
    logits: np.ndarray


def fit(trial: Trial, faces: Mapping[str, TrainingFaces], settings: TrainingSettings, log_folder: Path) -> Winner:
    """Trains the best trial's head from the start, for up to three times as many epochs."""
    import keras

    keras.utils.set_random_seed(settings.seed)
    values = trial.values
    base = values["base"]
    columns = chosen(faces[base].columns, values)
    arrays = faces[base].arrays(columns)
    shape = values["layers"], values.get("units", 0)
    head = build_head(faces[base], columns, *shape, values["dropout"], values["weight_decay"], values["learning_rate"])
    callbacks = [run_logs.callback(log_folder)]
    history = fit_head(head, arrays, settings.batch_size, patience=10, callbacks=callbacks, epochs=3 * settings.epochs)
    best = int(np.argmin(history.history["val_loss"]))
    console.say(
        f"{head_search.describe(values)}: epoch {best + 1} of {len(history.epoch)}, "
        f"val_loss {history.history['val_loss'][best]:.4f}, val_auc {history.history['val_auc'][best]:.4f}"
    )
    logits = np.asarray(head.predict(faces[base].validation[:, 0][:, indices(columns)], verbose=0))[:, 0]
    return Winner(base, columns, head, logits.astype(np.float64))


def save(
    name: str,
    winner: Winner,
    trials: Sequence[Trial],
    rivals: Sequence[Baseline],
    data: Dataset,
    extractors: Mapping[str, Extractor],
    settings: TrainingSettings,
) -> None:
    """Joins base and head, writes both model files, the linear baselines, the leaderboard, and the card last."""
    extractor = extractors[winner.base]
    labels = data.labels(data.validation)
    heat = temperature(winner.logits, labels)
    probabilities = sigmoid(winner.logits / heat)
    base = base_weights.load(extractor.weights)
    model = detector.join(base, winner.base, extractor.side, winner.columns, winner.head, heat)
    with saved_models.being_written(settings.saved_models, name) as folder:
        model.save(folder / saved_models.KERAS_FILE)
        with console.err.status("exporting detector.onnx"):
            onnx_files.export(model, folder / saved_models.ONNX_FILE)
        parity = onnx_files.parity(model, folder / saved_models.ONNX_FILE)
        console.say(f"detector.keras and detector.onnx differ by {parity:.1e} at most.")
        if parity > onnx_files.PARITY:
            raise console.PlainError(f"detector.onnx differs from detector.keras by {parity:.1e}; it is not saved.")
        compared = _save_baselines(rivals, extractors, labels, settings.target_fpr, folder)
        head_search.keep(folder / "leaderboard.jsonl", list(trials))
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".keras", ".onnx"))
        card = saved_models.Card(
            name=name,
            created=saved_models.now(),
            image_size=extractor.side,
            canonicaliser=face_images.CANONICALISER_VERSION,
            dataset=_describe_dataset(data),
            base=_describe_weights(extractor.weights),
            search={"tuner": settings.tuner, "trials": len(trials), "winner": trials[0].values},
            calibration=calibrate(probabilities, labels, settings.target_fpr, heat),
            metrics=leaderboard.metrics(probabilities, labels),
            baselines=compared,
            parity=parity,
            sha256={path.relative_to(folder).as_posix(): onnx_files.sha256(path) for path in files},
            versions=_versions(),
            settings=json.loads(json.dumps(dataclasses.asdict(settings), default=str)),
        )
        saved_models.write_card(folder, card)


def _save_baselines(
    rivals: Sequence[Baseline], extractors: Mapping[str, Extractor], labels: np.ndarray, target_fpr: float, folder: Path
) -> dict[str, dict]:
    """Metrics of every baseline; those linear in the features also become ONNX detectors, to be judged like the winner."""
    described: dict[str, dict] = {}
    (folder / "baselines").mkdir()
    for rival in rivals:
        described[rival.name] = {"metrics": leaderboard.metrics(rival.probabilities, labels)}
        if rival.weights is not None and extractors[rival.base].engine == "onnxruntime":
            file = f"baselines/{rival.name.replace(',', '').replace(' ', '-')}.onnx"
            baselines.export(rival, extractors[rival.base].onnx_path, folder / file)
            described[rival.name] |= {"file": file, "calibration": asdict(calibrate(rival.probabilities, labels, target_fpr))}
    return described


def _describe_dataset(data: Dataset) -> dict:
    counts = Counter((record.split, record.label) for record in data.records if record.accepted)
    return {
        "folder": str(data.folder),
        "fingerprint": manifest.fingerprint(data.records),
        "hold_out_sha256": splits.hold_out_sha256(data.records),
        "images": {split: {label: counts[split, label] for label in manifest.LABELS} for split in splits.SPLITS},
    }


def _describe_weights(weights: BaseWeights) -> dict[str, str]:
    return {"name": weights.base, "origin": weights.origin, "sha256": weights.sha256, "note": weights.note}


def _versions() -> dict[str, str]:
    names = ("keras", "tensorflow", "keras-tuner", "onnxruntime", "numpy", "pillow")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
