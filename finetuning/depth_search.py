"""Search the depth of fine-tuning with KerasTuner, and train the best trial with several seeds."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from data_collection.dataset import manifest
from finetuning.calibrated_loss import CALIBRATED_LOSS_NAME
from finetuning.depth_training import DepthTrial
from finetuning.depth_trials import DEPTH_SPACE_VERSION, DepthHyperModel
from runtime import console
from runtime.terminal.time_left import TimeLeft
from training import gain_test
from training.calibration import fit_temperature, sigmoid
from training.final_detector.seed_comparison import SeedSpread
from training.gain_test import GainTest
from training.head_search import tuner_runs
from training.head_search.tuner_runs import LoggedTuner, TrialLog

DEPTH_ORACLES: dict[str, type[keras_tuner.Oracle]] = {
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
    "random": keras_tuner.oracles.RandomSearchOracle,
}


def make_depth_oracle(
    name: str, max_depth: int, methods: Sequence[str], trials: int, seed: int
) -> keras_tuner.Oracle:
    """Propose every depth once, from the top down, and the methods in turns until each had one;
    then search as the named oracle does."""
    oracle_class = DEPTH_ORACLES[name]
    n_first = max(max_depth, len(methods))

    class EachDepthFirst(oracle_class):
        def populate_space(self, trial_id: str) -> dict:
            proposed = super().populate_space(trial_id)
            number = len(self.start_order)
            if "values" in proposed and number < n_first:
                proposed["values"]["depth"] = number % max_depth + 1
                if len(methods) > 1:
                    proposed["values"]["method"] = methods[number % len(methods)]
            return proposed

    # KerasTuner's default, three random trials for each hyperparameter, would leave none for the
    # Bayesian part
    options = {"num_initial_points": max(n_first, trials // 2)} if name == "bayesian" else {}
    return EachDepthFirst(
        objective=keras_tuner.Objective(CALIBRATED_LOSS_NAME, "min"),
        max_trials=trials,
        seed=tuner_runs.make_depth_oracle_seed(seed),
        **options,
    )


class DepthTuner(LoggedTuner, keras_tuner.Tuner):
    """KerasTuner's own loop, one trial at a time."""


@dataclass(frozen=True)
class DepthSearchResult:
    """The outcome of a search.

    Attributes:
        source: the unchanged detector.
        trials: the best first.
        repeats: the best trial with fresh seeds, none of which the search used; the first is saved.
        gain: of the repeats over the source, on view 0 of the validation images.
    """

    source: DepthTrial
    trials: list[DepthTrial]
    repeats: list[DepthTrial]
    gain: GainTest

    @property
    def loss(self) -> SeedSpread:
        return SeedSpread(tuple(trial.loss for trial in self.repeats))

    @property
    def saved(self) -> DepthTrial:
        """The repeat that is saved: the first, not the luckiest."""
        return self.repeats[0]


def search_depths(hypermodel: DepthHyperModel, folder: Path, log_folder: Path) -> list[DepthTrial]:
    """Run or resume the search and return its trials, the best first.

    Args:
        folder, log_folder: for all searches, and for their TensorBoard runs; this search gets a
            folder of its own in each.

    Raises:
        PlainError: every trial failed, three in a row failed, the saved search is damaged, or the
            environment asks for a chief and workers.
    """
    if tuner_runs.get_chief_address():
        raise console.PlainError("Fine-tuning searches in one process; unset KERASTUNER_ORACLE_IP.")
    settings, name = hypermodel.settings, _make_search_name(hypermodel)

    def make_tuner() -> keras_tuner.Tuner:
        oracle = make_depth_oracle(
            settings.tuner,
            hypermodel.max_depth,
            hypermodel.methods,
            settings.trials,
            settings.seed,
        )
        return DepthTuner(
            oracle,
            hypermodel,
            trial_log=TrialLog(settings.trials, log_folder / name, describe_depth_trial),
            directory=folder,
            project_name=name,
        )

    with tuner_runs.hold_search(folder / name):
        tuner = tuner_runs.start_tuner(make_tuner, settings.trials)
        trials = tuner_runs.run_tuner(tuner, folder / name)
    return [_make_depth_trial(trial, hypermodel) for trial in trials]


_SEARCH_KEY_SETTINGS = ("trials", "epochs", "warmup", "views", "tuner", "precision", "seed")


def _make_search_name(hypermodel: DepthHyperModel) -> str:
    settings = asdict(hypermodel.settings)
    key = [
        hypermodel.parts.card.sha256,
        manifest.compute_fingerprint(hypermodel.data.records),
        hypermodel.max_depth,
        hypermodel.methods,
        {name: value for name, value in settings.items() if name in _SEARCH_KEY_SETTINGS},
        DEPTH_SPACE_VERSION,
    ]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"finetuning-{digest[:12]}"


def _make_depth_trial(trial: Trial, hypermodel: DepthHyperModel) -> DepthTrial:
    best = {name: trial.metrics.get_best_value(name) for name in ("auc", "epochs", "trainable")}
    values = hypermodel.complete_values(trial.hyperparameters.values)
    return DepthTrial(
        depth=values["depth"],
        values=values,
        loss=float(trial.score),
        auc=best["auc"],
        epochs=int(best["epochs"]),
        trainable_parameters=int(best["trainable"]),
    )


def describe_depth_trial(values: Mapping[str, Any]) -> str:
    """Return the hyperparameters of a trial in a few words."""
    method = f" {values['method']}" if "method" in values else ""
    return (
        f"depth {values['depth']}{method}, "
        f"learning rate {values['learning_rate']:.1e} {values['schedule']}, "
        f"weight decay {values['weight_decay']:.0e}, batch {values['batch_size']}, "
        f"smoothing {values['label_smoothing']:g}, augmentation: {values['augmentation']}"
    )


def train_with_seeds(
    hypermodel: DepthHyperModel, trial: DepthTrial, log_folder: Path
) -> tuple[list[DepthTrial], GainTest]:
    """Train a trial with fresh seeds, and compare them with the source detector.

    The parts keep the weights of the first seed.
    """
    data = hypermodel.data
    labels = data.encode_labels(data.validation)
    source_losses = _compute_image_losses(hypermodel.compute_source_logits(), labels)
    repeats: list[DepthTrial] = []
    losses: list[np.ndarray] = []
    time_left = TimeLeft(hypermodel.settings.repeats)
    for number in range(1, hypermodel.settings.repeats + 1):
        if sentence := time_left.describe(number - 1):
            console.print_message(sentence)
        seed = hypermodel.settings.seed + number
        model = hypermodel.build_tail(trial.depth)
        repeat = hypermodel.train_trial(model, trial.values, seed, log_folder / f"seed{seed}")
        console.print_message(
            f"seed {seed}: loss {repeat.loss:.4f}, AUC {repeat.auc:.4f}, epoch {repeat.epochs}."
        )
        if not repeats:
            first_weights = hypermodel.parts.copy_weights()
        repeats.append(repeat)
        logits = hypermodel.compute_logits(trial.depth).mean(axis=1)
        losses.append(_compute_image_losses(logits, labels))
    hypermodel.parts.restore_weights(first_weights)
    groups = [record.group for record in data.validation]
    return repeats, gain_test.compare_losses(source_losses, losses, labels, groups)


def _compute_image_losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the loss of every image once the detector is calibrated on these images."""
    return gain_test.compute_image_losses(sigmoid(logits / fit_temperature(logits, labels)), labels)
