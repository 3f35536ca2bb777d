"""train(): features of frozen bases -> baselines -> search -> winner trained -> one saved model with its card."""

import dataclasses
import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection import console, manifest, splits
from data_collection.manifest import FaceRecord
from training import base_weights, baselines, detector, feature_cache, head_search, onnx_files, run_logs, saved_models
from training.base_weights import BaseWeights
from training.baselines import Baseline
from training.calibration import calibrate, log_loss, sigmoid, temperature
from training.detector import Column
from training.feature_cache import Extractor
from training.head_search import Trial
from training.heads import LABEL_SMOOTHING, TrainingFaces, build_head, chosen, fit_head, indices
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

LEADERBOARD = 10
"""Trials that the printed table shows; the whole leaderboard is in the model's folder."""


def train(settings: TrainingSettings) -> None:
    """Searches, trains and saves a detector from a collected data set; the hold-out is not read.

    Raises:
        PlainError: no data set, altered images, or weights that cannot be had.
    """
    import keras

    data = read_dataset(settings)
    name = settings.name or f"{data.folder.name}-{saved_models.now()[:19].replace(':', '').replace('-', '').replace('T', '-')}"
    if (settings.saved_models / name).exists():
        raise console.PlainError(f"{settings.saved_models / name} exists; give another --name.")

    console.heading("Features of the frozen bases")
    extractors, faces = extract(data, settings)

    console.heading("Search")
    rivals = compare(data, faces, settings)
    key = [manifest.fingerprint(data.records), settings.views, [extractor.name for extractor in extractors.values()]]
    trials = head_search.search(
        faces,
        key,
        data.folder / "searches",
        settings.logs / "training" / f"{data.folder.name}-search",
        settings.tuner,
        settings.trials,
        settings.epochs,
        settings.batch_size,
        settings.seed,
    )

    console.heading("Winner")
    keras.utils.set_random_seed(settings.seed)
    winner = fit_winner(trials[0], faces, settings, settings.logs / "training" / name)
    save(name, winner, trials, rivals, data, extractors, settings)
    log(name, winner, data, settings)
    show_leaderboard(trials, rivals, winner, data)
    folder = settings.saved_models / name
    console.say(f"Saved {folder}. Judge it: python -m validation. Use it: python -m detection PHOTO. Curves: tensorboard --logdir {settings.logs}")


@dataclass(frozen=True)
class Dataset:
    """A collected data set without its hold-out; labels are 1 for generated."""

    folder: Path
    image_size: int
    records: list[FaceRecord]
    train: list[FaceRecord]
    validation: list[FaceRecord]

    @staticmethod
    def labels(records: Sequence[FaceRecord]) -> np.ndarray:
        return np.array([record.label == "generated" for record in records], dtype=np.int64)


def read_dataset(settings: TrainingSettings) -> Dataset:
    folder = settings.dataset or newest_dataset(settings.data)
    records = manifest.read(folder)
    splits.check(records, splits.read(folder))
    data = Dataset(
        folder,
        json.loads((folder / "settings.json").read_bytes())["frozen"]["image_size"],
        records,
        manifest.accepted(records, "train"),
        manifest.accepted(records, "validation"),
    )
    for name, part in (("train", data.train), ("validation", data.validation)):
        if {record.label for record in part} != set(manifest.LABELS):
            raise console.PlainError(f"The {name} split of {folder} lacks a class; collect more images.")
    console.say(f"{folder}: {len(data.train)} images to train, {len(data.validation)} to validate.")
    return data


def newest_dataset(data: Path) -> Path:
    found = [path.parent for path in data.glob("*/manifest.jsonl")]
    if not found:
        raise console.PlainError(f"{data} holds no data set; run python -m data_collection first.")
    return max(found, key=lambda folder: manifest.manifest_path(folder).stat().st_mtime)


def extract(data: Dataset, settings: TrainingSettings) -> tuple[dict[str, Extractor], dict[str, TrainingFaces]]:
    """Features of train and validation images for every base, and the count of forward passes."""
    # A picture smaller than the input size is enlarged inside the model, alike for both classes.
    side = min(max(settings.sizes), data.image_size)
    extractors, faces = {}, {}
    for base in settings.bases:
        weights = base_weights.find(base, settings.weights)
        console.say(f"{base}: {weights.note}.")
        extractors[base] = Extractor(weights, settings.sizes, side, settings.engine)
        table = feature_cache.features(data.folder, data.train + data.validation, extractors[base], settings.views)
        images = len(data.train) + len(data.validation)
        console.say(
            f"{base}: {table.forward_passes} forward passes ({images} images x {settings.views} views = "
            f"{images * settings.views}, {images * settings.views - table.forward_passes} of them cached), "
            f"{table.values.shape[2]} features an image."
        )
        held = len(data.train)
        faces[base] = TrainingFaces(
            table.columns, table.values[:held], table.values[held:], data.labels(data.train), data.labels(data.validation)
        )
    return extractors, faces


def compare(data: Dataset, faces: Mapping[str, TrainingFaces], settings: TrainingSettings) -> list[Baseline]:
    """The baselines, on the same split: for logistic regression the first base at its first size."""
    labels = data.labels(data.train)
    base, size = settings.bases[0], settings.sizes[0]
    return [
        baselines.majority(labels, len(data.validation)),
        baselines.metadata_only(data.train, data.validation, labels),
        baselines.logistic("logistic regression, top layer", base, faces[base], "top", "mean", size),
        baselines.logistic("logistic regression, all taps", base, faces[base], "all", "mean+std", size),
    ]


@dataclass(frozen=True)
class Winner:
    """The trained head and what it looks at; `logits` are of the validation images' view 0."""

    base: str
    columns: list[Column]
    head: "keras.Model"
    logits: np.ndarray


def fit_winner(trial: Trial, faces: Mapping[str, TrainingFaces], settings: TrainingSettings, log_folder: Path) -> Winner:
    import keras

    values = trial.values
    base = values["base"]
    columns = chosen(faces[base].columns, values)
    arrays = faces[base].arrays(columns)
    rate = values["learning_rate"]
    head = build_head(arrays[0], values["layers"], values.get("units", 0), values["dropout"], values["weight_decay"], rate)
    tensorboard = keras.backend.backend() == "tensorflow"
    callbacks = [keras.callbacks.TensorBoard(str(log_folder), write_graph=False)] if tensorboard else []
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
            canonicaliser=saved_models.face_images.CANONICALISER_VERSION,
            dataset=_describe_dataset(data),
            base=_describe_weights(extractor.weights),
            search={"tuner": settings.tuner, "trials": len(trials), "winner": trials[0].values},
            calibration=calibrate(probabilities, labels, settings.target_fpr, heat),
            metrics=_metrics(probabilities, labels),
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
        described[rival.name] = {"metrics": _metrics(rival.probabilities, labels)}
        if rival.weights is not None and extractors[rival.base].engine == "onnxruntime":
            file = f"baselines/{rival.name.replace(',', '').replace(' ', '-')}.onnx"
            baselines.export(rival, extractors[rival.base].onnx_path, folder / file)
            described[rival.name] |= {"file": file, "calibration": asdict(calibrate(rival.probabilities, labels, target_fpr))}
    return described


def _metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    return {
        "auc": float(roc_auc_score(labels, probabilities)),
        "log_loss": log_loss(_logits(probabilities), labels),
    }


def _logits(probabilities: np.ndarray) -> np.ndarray:
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))


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


def log(name: str, winner: Winner, data: Dataset, settings: TrainingSettings) -> None:
    """Sample faces as training sees them, and the winner's precision-recall curve on the validation split."""
    card = saved_models.read_card(settings.saved_models / name)
    probabilities = sigmoid(winner.logits / card.calibration.temperature)
    with run_logs.opened(settings.logs, "training", name) as run:
        for label in manifest.LABELS:
            some = [record for record in data.train if record.label == label][:8]
            views = range(min(settings.views, 3))
            pictures = [feature_cache.canonical(data.folder, r, card.image_size, view) for view in views for r in some]
            run.picture(f"faces/{label} (a row per view)", run_logs.grid(pictures, len(some)))
        run.pr_curve("validation/precision_recall", data.labels(data.validation), probabilities)
        run.scalars({f"validation/{key}": value for key, value in card.metrics.items()})
        run.text("card", "```json\n" + (settings.saved_models / name / saved_models.CARD).read_text() + "\n```")


def show_leaderboard(trials: Sequence[Trial], rivals: Sequence[Baseline], winner: Winner, data: Dataset) -> None:
    """The best trials and the baselines in one table, ranked by validation loss."""
    labels = data.labels(data.validation)
    rows = [
        [
            f"{head_search.describe(t.values)}",
            f"{t.values['dropout']:.1f}",
            f"{t.values['weight_decay']:.0e}",
            f"{t.values['learning_rate']:.0e}",
            t.epochs,
            t.loss,
            f"{t.auc:.4f}",
        ]
        for t in trials[:LEADERBOARD]
    ]
    for rival in rivals:
        loss = log_loss(_logits(rival.probabilities), labels * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 2)
        auc = _metrics(rival.probabilities, labels)["auc"]
        rows.append([f"baseline: {rival.name}", "", "", "", "", loss, f"{auc:.4f}"])
    rows.sort(key=lambda row: row[5])
    console.table(
        f"Leaderboard on {len(data.validation)} validation images (best {min(len(trials), LEADERBOARD)} of {len(trials)} trials)",
        ["head", "dropout", "decay", "rate", "epochs", f"val loss (smoothed {LABEL_SMOOTHING})", "val AUC"],
        [[*row[:5], f"{row[5]:.4f}", row[6]] for row in rows],
    )
