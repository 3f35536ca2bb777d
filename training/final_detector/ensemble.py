"""Train the best heads of a search once more: the ensemble that becomes the detector."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console
from training import tensorboard_logs
from training.calibration import fit_temperature
from training.detectors.card_fields import SeedScores
from training.features.column_selection import compute_column_indices
from training.features.layout import Column
from training.features.training_features import TrainingFeatures, iterate_blocks
from training.head_search import batched_training, leaderboard
from training.head_search.batched_tuner import log_training_curves
from training.head_search.head_spec import HeadSpec, HeadTrial
from training.head_search.head_trainer import HeadTrainingPlan, TrainedHead
from training.head_search.heads import (
    build_uncompiled_head,
    combine_generator_outputs,
    set_dense_weights,
)
from training.refits.refit_heads import RefitEnsemble
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
        logits: of the validation images as judged, already divided by the temperature.
        refit_plan: trains the head again, for as many epochs.
    """

    spec: HeadSpec
    columns: list[Column]
    refit_plan: HeadTrainingPlan
    model: "keras.Model"
    temperature: float
    logits: np.ndarray


@dataclass(frozen=True)
class FinalDetector:
    """The best heads on one base, an ensemble whose calibrated logits are averaged.

    Attributes:
        temperature: divides the mean of the heads' logits.
        generators: the sources that every head has an output for; none if there is one source.
        repeats: loss and AUC with every seed, where there are several.
    """

    base: str
    heads: list[FinalHead]
    temperature: float = 1.0
    generators: Sequence[str] = ()
    repeats: Sequence[SeedScores] = ()

    @property
    def logits(self) -> np.ndarray:
        """Calibrated logits of the validation images as judged, shape (images,)."""
        return np.mean([head.logits for head in self.heads], axis=0) / self.temperature

    def compute_logits(self, judged: np.ndarray) -> np.ndarray:
        """Return the calibrated logit of every image at every quality, (images, qualities).

        Args:
            judged: features on the detector's base, shape (images, qualities, width).
        """
        logits = [
            _compute_model_logits(head.model, head.columns, judged) / head.temperature
            for head in self.heads
        ]
        return np.mean(logits, axis=0) / self.temperature

    def make_refit_ensemble(self, settings: TrainingSettings) -> RefitEnsemble:
        """Return how to train the same heads again on other images."""
        return RefitEnsemble(
            plans=[head.refit_plan for head in self.heads],
            temperatures=[head.temperature * self.temperature for head in self.heads],
            batch_size=settings.batch_size,
            seed=settings.seed,
            single_output=not self.generators,
        )


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
    # Straight lines gain nothing from an ensemble.
    n_heads = 1 if features[base].is_logistic else settings.ensemble
    plans = [
        HeadTrainingPlan(
            spec=trial.spec,
            columns=trial.spec.select_columns(features[base].columns),
            epochs=2 * settings.epochs,
            patience=FINAL_PATIENCE_EPOCHS,
            seed=(seed, number),
        )
        for number, trial in enumerate(on_base[:n_heads], 1)
    ]
    heads = []
    trained_heads = batched_training.train_heads(features[base], plans, settings.batch_size, seed)
    for number, (plan, trained) in enumerate(zip(plans, trained_heads, strict=True), 1):
        title = f"seed {seed}, head{number}" if settings.repeats > 1 else f"head{number}"
        head_log_folder = log_folder if number == 1 else log_folder / f"head{number}"
        _report_final_head(title, plan.spec, trained, head_log_folder)
        heads.append(_build_final_head(f"head{number}", plan, trained, features[base], labels))
    detector = FinalDetector(base, heads, generators=features[base].generators)
    return replace(detector, temperature=fit_temperature(detector.logits, labels))


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
        f"{len(trained.history['val_loss'])}, val_loss {loss:.4f}, val_auc {auc:.4f}"
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
    set_dense_weights(head, trained.weights)
    model = combine_generator_outputs(head)
    logits = _compute_model_logits(model, plan.columns, features.validation.judged).mean(axis=1)
    temperature = fit_temperature(logits, labels)
    return FinalHead(
        spec=plan.spec,
        columns=list(plan.columns),
        refit_plan=replace(plan, epochs=trained.best_epoch + 1),
        model=model,
        temperature=temperature,
        logits=logits / temperature,
    )


def _compute_model_logits(
    model: "keras.Model", columns: Sequence[Column], judged: np.ndarray
) -> np.ndarray:
    """Return the model's logit of every image at every quality, shape (images, qualities)."""
    index = compute_column_indices(columns)
    blocks = [
        np.asarray(model.predict_on_batch(block[:, :, index].reshape(-1, len(index))))
        for block in iterate_blocks(judged)
    ]
    return np.concatenate(blocks)[:, 0].astype(np.float64).reshape(judged.shape[:2])
