"""Train the best heads of a search once more: they become the detector."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from runtime import console
from training import tensorboard_logs
from training.calibration import fit_temperature
from training.features.training_features import TrainingFeatures
from training.final_detector.final_detector import (
    BaseEnsemble,
    FinalDetector,
    FinalHead,
    compute_model_logits,
)
from training.head_search import batched_training, leaderboard
from training.head_search.batched_tuner import log_training_curves
from training.head_search.head_spec import HeadSpec, HeadTrial
from training.head_search.head_trainer import HeadTrainingPlan, TrainedHead
from training.head_search.heads import (
    build_uncompiled_head,
    combine_generator_outputs,
    set_dense_weights,
)
from training.settings import TrainingSettings

FINAL_PATIENCE_EPOCHS = 10
"""Epochs without a lower validation loss after which the training of a final head ends."""


def train_final_detector(
    trials: Sequence[HeadTrial],
    features: Mapping[str, TrainingFeatures],
    labels: np.ndarray,
    seed: int,
    settings: TrainingSettings,
    log_folder: Path,
) -> FinalDetector:
    """Train the heads of the best trials again, from the start, on the best trial's base.

    With `settings.span_bases` each base has its own best heads.

    Args:
        trials: best first; as many heads of a base are taken as `settings.ensemble` says.
        features: by base.
        labels: of the validation images.
    """
    bases = settings.bases if settings.span_bases else (trials[0].spec.base,)
    unique = leaderboard.deduplicate_trials(trials)
    ensembles = [
        _train_base_ensemble(
            [trial for trial in unique if trial.spec.base == base],
            features[base],
            labels,
            seed,
            settings,
            log_folder / base if len(bases) > 1 else log_folder,
        )
        for base in bases
    ]
    if len(ensembles) > 1:
        ensembles = [
            replace(ensemble, temperature=fit_temperature(ensemble.logits, labels))
            for ensemble in ensembles
        ]
    detector = FinalDetector(ensembles, generators=features[bases[0]].generators)
    return replace(detector, temperature=fit_temperature(detector.logits, labels))


def _train_base_ensemble(
    trials: Sequence[HeadTrial],
    features: TrainingFeatures,
    labels: np.ndarray,
    seed: int,
    settings: TrainingSettings,
    log_folder: Path,
) -> BaseEnsemble:
    """Train the heads of the best of these trials, which are all on one base."""
    # Straight lines gain nothing from an ensemble.
    n_heads = 1 if features.is_logistic else settings.ensemble
    plans = [
        HeadTrainingPlan(
            spec=trial.spec,
            columns=trial.spec.select_columns(features.columns),
            epochs=2 * settings.epochs,
            patience=FINAL_PATIENCE_EPOCHS,
            seed=(seed, number),
        )
        for number, trial in enumerate(trials[:n_heads], 1)
    ]
    heads = []
    trained_heads = batched_training.train_heads(features, plans, settings.batch_size, seed)
    for number, (plan, trained) in enumerate(zip(plans, trained_heads, strict=True), 1):
        title = f"seed {seed}, head{number}" if settings.repeats > 1 else f"head{number}"
        head_log_folder = log_folder if number == 1 else log_folder / f"head{number}"
        _report_final_head(title, plan.spec, trained, head_log_folder)
        heads.append(_build_final_head(f"head{number}", plan, trained, features, labels))
    return BaseEnsemble(trials[0].spec.base, heads)


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
    logits = compute_model_logits(model, plan.columns, features.validation.judged).mean(axis=1)
    temperature = fit_temperature(logits, labels)
    return FinalHead(
        spec=plan.spec,
        columns=list(plan.columns),
        refit_plan=replace(plan, epochs=trained.best_epoch + 1),
        model=model,
        temperature=temperature,
        logits=logits / temperature,
    )
