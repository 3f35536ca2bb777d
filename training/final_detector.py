"""The winner of a search: its best heads trained once more, joined with their base, and saved with a card."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_collection.images import canonical
from runtime import atomic_files, console, hashing, library_versions
from training import calibration, onnx_models, tensorboard_logs
from training.baselines.linear import Baseline
from training.bases import loaded_base
from training.bases.weights import BaseWeights
from training.calibration import calibrate_probabilities, fit_temperature, sigmoid
from training.dataset import Dataset
from training.detectors import assembly, costs, saved_models
from training.detectors import card as detector_card
from training.detectors.detector_files import write_baseline_files
from training.features.column_selection import compute_column_indices
from training.features.extractor import Extractor
from training.features.layout import Column
from training.features.training_features import TrainingFeatures, iterate_blocks
from training.head_search import batched_training, head_spec, leaderboard
from training.head_search.batched_tuner import log_training_curves, make_training_plan
from training.head_search.head_spec import HeadTrial
from training.head_search.head_trainer import HeadTrainingPlan, TrainedHead
from training.head_search.heads import build_uncompiled_head, combine_generator_outputs
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

FINAL_PATIENCE_EPOCHS = 10
"""Epochs without a lower validation loss after which a head of the winner is left as it was at its best."""


@dataclass(frozen=True)
class FinalHead:
    """A trained head, what it looks at, and its logits for the validation images' view 0 divided by its temperature."""

    values: dict[str, Any]
    columns: list[Column]
    model: "keras.Model"
    temperature: float
    logits: np.ndarray


@dataclass(frozen=True)
class FinalDetector:
    """The best heads on one base, which speak with one voice: the mean of their calibrated logits.

    Attributes:
        generators: sources that every head has a voice for, where there were several.
        repeats: loss and AUC with every seed, where there were several.
    """

    base: str
    heads: list[FinalHead]
    generators: Sequence[str] = ()
    repeats: Sequence[Mapping[str, float]] = ()

    @property
    def logits(self) -> np.ndarray:
        return np.mean([head.logits for head in self.heads], axis=0)


def train_final_detector(
    trials: Sequence[HeadTrial],
    faces: Mapping[str, TrainingFeatures],
    labels: np.ndarray,
    seed: int,
    settings: TrainingSettings,
    log_folder: Path,
) -> FinalDetector:
    """Trains the best trial's head from the start, and the next best ones on the same base, as many as the committee has."""
    base = trials[0].values["base"]
    rivals = [
        trial for trial in leaderboard.deduplicate_trials(trials) if trial.values["base"] == base
    ][: settings.committee]
    more = {"epochs": 2 * settings.epochs, "patience": FINAL_PATIENCE_EPOCHS}
    plans = [
        make_training_plan(faces, trial.values, **more, seed=(seed, number))
        for number, trial in enumerate(rivals, 1)
    ]
    heads = []
    trained = batched_training.train_heads(faces[base], plans, settings.batch_size, seed)
    for number, (trial, plan, head) in enumerate(zip(rivals, plans, trained, strict=True), 1):
        who = f"seed {seed}, head{number}" if settings.repeats > 1 else f"head{number}"
        _report_final_head(
            who, trial, head, log_folder if number == 1 else log_folder / f"head{number}"
        )
        heads.append(_build_final_head(f"head{number}", trial, plan, head, faces[base], labels))
    return FinalDetector(base, heads, faces[base].generators)


def _report_final_head(who: str, trial: HeadTrial, head: TrainedHead, log_folder: Path) -> None:
    with tensorboard_logs.open_run_log(log_folder) as run:
        log_training_curves(run, head)
    if head.diverged:
        raise console.PlainError(
            f"{who}, {head_spec.describe_head_spec(trial.values)}, diverged: its loss is not a "
            "number any more. Take another --seed."
        )
    loss, auc = (head.history[name][head.best] for name in ("val_loss", "val_auc"))
    console.print_message(
        f"{who}: {head_spec.describe_head_spec(trial.values)}: epoch {head.best + 1} of {len(head.history['loss'])}, "
        f"val_loss {loss:.4f}, val_auc {auc:.4f}"
    )


def _build_final_head(
    name: str,
    trial: HeadTrial,
    plan: HeadTrainingPlan,
    head: TrainedHead,
    faces: TrainingFeatures,
    labels: np.ndarray,
) -> FinalHead:
    """The trained head in Keras, with its temperature."""
    built = build_uncompiled_head(faces, plan.columns, plan.layers, plan.units, plan.dropout, name)
    dense = [layer for layer in built.layers if type(layer).__name__ == "Dense"]
    for place, layer in enumerate(dense):
        layer.set_weights(head.weights[2 * place : 2 * place + 2])
    model = combine_generator_outputs(built)
    index = compute_column_indices(plan.columns)
    parts = [
        np.asarray(model.predict_on_batch(part[:, 0][:, index]))
        for part in iterate_blocks(faces.validation)
    ]
    logits = np.concatenate(parts)[:, 0].astype(np.float64)
    heat = fit_temperature(logits, labels)
    return FinalHead(trial.values, list(plan.columns), model, heat, logits / heat)


def save_final_detector(
    name: str,
    winner: FinalDetector,
    trials: Sequence[HeadTrial],
    rivals: Sequence[Baseline],
    data: Dataset,
    extractors: Mapping[str, Extractor],
    settings: TrainingSettings,
    banner: str,
) -> None:
    """Joins base and head, writes both model files, the linear baselines, the leaderboard, and the card last."""
    extractor = extractors[winner.base]
    labels = data.labels(data.validation)
    heat = fit_temperature(winner.logits, labels)
    probabilities = sigmoid(winner.logits / heat)
    base = loaded_base.load_base(extractor.weights)
    members = [
        assembly.EnsembleMember(
            head.columns, head.model, 1 / (head.temperature * heat * len(winner.heads))
        )
        for head in winner.heads
    ]
    model = assembly.build_detector_model(base, winner.base, extractor.side, members)
    with saved_models.create_model_folder(settings.saved_models, name) as folder:
        model.save(folder / saved_models.KERAS_FILE)
        parity = onnx_models.export_checked_onnx(model, folder / saved_models.ONNX_FILE)
        console.print_message(f"detector.keras and detector.onnx differ by {parity:.1e} at most.")
        compared = write_baseline_files(rivals, extractors, labels, settings.target_fpr, folder)
        leaderboard.write_leaderboard(folder / "leaderboard.jsonl", list(trials))
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".keras", ".onnx"))
        card = detector_card.Card(
            name=name,
            created=detector_card.make_timestamp(),
            image_size=extractor.side,
            canonicaliser=canonical.CANONICALISER_VERSION,
            dataset=data.described(),
            base=_describe_base(extractor.weights),
            search={
                "tuner": settings.tuner,
                "trials": len(trials),
                "winner": [head.values for head in winner.heads],
                "weights": [member.weight for member in members],
                "generators": list(winner.generators),
                "repeats": list(winner.repeats),
            },
            calibration=calibrate_probabilities(probabilities, labels, settings.target_fpr, heat),
            metrics=calibration.compute_scores(probabilities, labels),
            baselines=compared,
            parity=parity,
            sha256={
                path.relative_to(folder).as_posix(): hashing.compute_file_sha256(path)
                for path in files
            },
            versions=library_versions.get_library_versions(),
            settings=json.loads(json.dumps(dataclasses.asdict(settings), default=str)),
            banner=banner,
            crop=data.train[0].crop,
            cost=asdict(costs.measure_cost(folder / saved_models.ONNX_FILE)),
        )
        atomic_files.write_atomically(
            folder / costs.COST_FIGURE_FILE, costs.plot_costs(costs.rank_costs(card))
        )
        detector_card.write_card(folder, card)


def _describe_base(weights: BaseWeights) -> dict[str, str]:
    return {
        "name": weights.base,
        "origin": weights.origin,
        "sha256": weights.sha256,
        "note": weights.note,
    }
