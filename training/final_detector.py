"""Train the best heads of a search once more, join them with their base, and save the detector."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection.images import canonical
from runtime import console, library_versions
from training import calibration, tensorboard_logs
from training.baselines.linear import Baseline
from training.bases import loaded_base
from training.calibration import calibrate_probabilities, fit_temperature, sigmoid
from training.detectors import assembly, costs, detector_files, saved_models
from training.detectors import card as detector_card
from training.detectors.assembly import EnsembleMember
from training.detectors.card import Card
from training.detectors.card_fields import BaseDescription, SearchDescription, SeedScores
from training.detectors.detector_files import LEADERBOARD_FILE
from training.features.column_selection import compute_column_indices
from training.features.extractor import Extractor
from training.features.layout import Column
from training.features.training_features import TrainingFeatures, iterate_blocks
from training.head_search import batched_training, leaderboard
from training.head_search.batched_tuner import log_training_curves
from training.head_search.head_spec import HeadSpec, HeadTrial
from training.head_search.head_trainer import HeadTrainingPlan, TrainedHead
from training.head_search.heads import build_uncompiled_head, combine_generator_outputs
from training.run_folders import TrainingRun
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

FINAL_PATIENCE_EPOCHS = 10
"""Epochs without a lower validation loss after which the training of a final head ends."""


@dataclass(frozen=True, kw_only=True)
class FinalHead:
    """A trained head.

    Attributes:
        columns: of the feature vector, that the head uses.
        model: from the columns' features to one logit.
        temperature: divides the model's logits.
        logits: of the validation images' view 0, already divided by the temperature.
    """

    spec: HeadSpec
    columns: list[Column]
    model: "keras.Model"
    temperature: float
    logits: np.ndarray


@dataclass(frozen=True)
class FinalDetector:
    """The best heads on one base, an ensemble whose calibrated logits are averaged.

    Attributes:
        generators: the sources that every head has an output for; none if there is one source.
        repeats: loss and AUC with every seed, where there are several.
    """

    base: str
    heads: list[FinalHead]
    generators: Sequence[str] = ()
    repeats: Sequence[SeedScores] = ()

    @property
    def logits(self) -> np.ndarray:
        """Logits of the validation images' view 0, shape (images,)."""
        return np.mean([head.logits for head in self.heads], axis=0)


def train_final_detector(
    trials: Sequence[HeadTrial],
    features: Mapping[str, TrainingFeatures],
    labels: np.ndarray,
    seed: int,
    settings: TrainingSettings,
    log_folder: Path,
) -> FinalDetector:
    """Train the heads of the best trials on the best trial's base again, from the start.

    Args:
        trials: best first; as many heads are taken as `settings.ensemble` says.
        features: by base.
        labels: of the validation images.
    """
    base = trials[0].spec.base
    on_base = [trial for trial in leaderboard.deduplicate_trials(trials) if trial.spec.base == base]
    plans = [
        HeadTrainingPlan(
            spec=trial.spec,
            columns=trial.spec.select_columns(features[base].columns),
            epochs=2 * settings.epochs,
            patience=FINAL_PATIENCE_EPOCHS,
            seed=(seed, number),
        )
        for number, trial in enumerate(on_base[: settings.ensemble], 1)
    ]
    heads = []
    trained_heads = batched_training.train_heads(features[base], plans, settings.batch_size, seed)
    for number, (plan, trained) in enumerate(zip(plans, trained_heads, strict=True), 1):
        title = f"seed {seed}, head{number}" if settings.repeats > 1 else f"head{number}"
        head_log_folder = log_folder if number == 1 else log_folder / f"head{number}"
        _report_final_head(title, plan.spec, trained, head_log_folder)
        heads.append(_build_final_head(f"head{number}", plan, trained, features[base], labels))
    return FinalDetector(base, heads, features[base].generators)


def _report_final_head(title: str, spec: HeadSpec, trained: TrainedHead, log_folder: Path) -> None:
    """Log and print the training of one head.

    Raises:
        PlainError: its loss is not finite.
    """
    with tensorboard_logs.open_run_log(log_folder) as run:
        log_training_curves(run, trained)
    if trained.diverged:
        raise console.PlainError(
            f"{title}, {spec.describe()}, diverged: its loss is not finite. Choose another --seed."
        )
    loss, auc = (trained.history[name][trained.best_epoch] for name in ("val_loss", "val_auc"))
    console.print_message(
        f"{title}: {spec.describe()}: epoch {trained.best_epoch + 1} of "
        f"{len(trained.history['loss'])}, val_loss {loss:.4f}, val_auc {auc:.4f}"
    )


def _build_final_head(
    name: str,
    plan: HeadTrainingPlan,
    trained: TrainedHead,
    features: TrainingFeatures,
    labels: np.ndarray,
) -> FinalHead:
    """Return the trained head in Keras, with its temperature."""
    head = build_uncompiled_head(features, plan.columns, plan.spec, name)
    dense_layers = [layer for layer in head.layers if type(layer).__name__ == "Dense"]
    for number, layer in enumerate(dense_layers):
        layer.set_weights(trained.weights[2 * number : 2 * number + 2])
    model = combine_generator_outputs(head)
    index = compute_column_indices(plan.columns)
    blocks = [
        np.asarray(model.predict_on_batch(block[:, 0][:, index]))
        for block in iterate_blocks(features.validation.values)
    ]
    logits = np.concatenate(blocks)[:, 0].astype(np.float64)
    temperature = fit_temperature(logits, labels)
    return FinalHead(
        spec=plan.spec,
        columns=list(plan.columns),
        model=model,
        temperature=temperature,
        logits=logits / temperature,
    )


def save_final_detector(
    run: TrainingRun,
    extractors: Mapping[str, Extractor],
    detector: FinalDetector,
    trials: Sequence[HeadTrial],
    baselines: Sequence[Baseline],
) -> Card:
    """Save both model files, the baselines, the leaderboard, and the card, which it returns."""
    labels = run.validation_labels
    extractor = extractors[detector.base]
    temperature = fit_temperature(detector.logits, labels)
    members = _make_ensemble_members(detector, temperature)
    model = assembly.build_detector_model(
        loaded_base.load_base(extractor.weights), extractor.side, members
    )
    probabilities = sigmoid(detector.logits / temperature)
    target_fpr = run.settings.target_fpr
    with saved_models.create_model_folder(run.folders.saved_models, run.name) as folder:
        parity = detector_files.write_model_files(model, folder)
        baseline_rows = detector_files.write_baseline_files(
            baselines, extractors, labels, target_fpr, folder
        )
        leaderboard.write_leaderboard(folder / LEADERBOARD_FILE, trials)
        card = Card(
            name=run.name,
            created=detector_card.make_timestamp(),
            image_size=extractor.side,
            canonicaliser=canonical.CANONICALISER_VERSION,
            dataset=detector_files.describe_dataset(run.data.folder, run.data.records),
            base=_describe_base(extractor),
            search=_describe_search(run.settings, detector, members, len(trials)),
            calibration=calibrate_probabilities(probabilities, labels, target_fpr, temperature),
            metrics=calibration.compute_scores(probabilities, labels),
            baselines=baseline_rows,
            parity=parity,
            sha256=detector_files.hash_model_files(folder),
            versions=library_versions.get_library_versions(),
            settings=json.loads(json.dumps(dataclasses.asdict(run.settings), default=str)),
            banner=run.banner,
            practice=run.practice,
            crop=run.data.train[0].crop,
            cost=costs.measure_cost(folder / saved_models.ONNX_FILE),
        )
        detector_files.write_card_and_figure(folder, card)
    return card


def _make_ensemble_members(detector: FinalDetector, temperature: float) -> list[EnsembleMember]:
    """Return the heads with the weights of their logits, which contain both temperatures."""
    n_heads = len(detector.heads)
    return [
        EnsembleMember(head.columns, head.model, 1 / (head.temperature * temperature * n_heads))
        for head in detector.heads
    ]


def _describe_search(
    settings: TrainingSettings,
    detector: FinalDetector,
    members: Sequence[EnsembleMember],
    n_trials: int,
) -> SearchDescription:
    return SearchDescription(
        tuner=settings.tuner,
        trials=n_trials,
        heads=tuple(head.spec for head in detector.heads),
        weights=tuple(member.weight for member in members),
        generators=tuple(detector.generators),
        repeats=tuple(detector.repeats),
    )


def _describe_base(extractor: Extractor) -> BaseDescription:
    weights = extractor.weights
    return BaseDescription(
        name=weights.base,
        origin=weights.origin,
        sha256=weights.sha256,
        note=weights.note,
        sizes=extractor.sizes,
        signals=extractor.signals,
    )
