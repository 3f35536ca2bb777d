"""KerasTuner over the depth of fine-tuning; the best trial with several seeds; and whether any of
it helped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras_tuner

from data_collection.dataset import manifest
from finetuning.calibrated_loss import CALIBRATED_LOSS_NAME
from finetuning.depth_training import DepthTrial
from finetuning.depth_trials import DEPTH_SPACE_VERSION, DepthHyperModel
from runtime import console
from training.head_search import tuner_runs
from training.head_search.tuner_runs import LoggedTuner, TrialLog
from training.seed_spread import SeedSpread

DEPTH_ORACLES: dict[str, type[keras_tuner.Oracle]] = {
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
    "random": keras_tuner.oracles.RandomSearchOracle,
}


def make_depth_oracle(name: str, deepest: int, trials: int, seed: int) -> keras_tuner.Oracle:
    """Proposes trials: every depth once, from the top down, then as the named way of searching
    goes."""
    kind = DEPTH_ORACLES[name]

    class EachDepthFirst(kind):
        def populate_space(self, trial_id: str) -> dict:
            proposed = super().populate_space(trial_id)
            depth = len(self.start_order) + 1
            if "values" in proposed and depth <= deepest:
                proposed["values"]["depth"] = depth
            return proposed

    # KerasTuner's own choice, three random trials for each hyperparameter, would leave nothing for
    # the Bayesian part
    more = {"num_initial_points": max(deepest, trials // 2)} if name == "bayesian" else {}
    return EachDepthFirst(
        objective=keras_tuner.Objective(CALIBRATED_LOSS_NAME, "min"),
        max_trials=trials,
        seed=tuner_runs.make_depth_oracle_seed(seed),
        **more,
    )


class DepthTuner(LoggedTuner, keras_tuner.Tuner):
    """KerasTuner's own loop, one trial at a time."""


@dataclass(frozen=True)
class DepthSearchResult:
    """What a search found.

    Attributes:
        before: the detector as it was.
        trials: the best first.
        repeats: the best trial with several seeds.
    """

    before: DepthTrial
    trials: list[DepthTrial]
    repeats: list[DepthTrial]

    @property
    def loss(self) -> SeedSpread:
        return SeedSpread(tuple(tuned.loss for tuned in self.repeats))

    @property
    def best(self) -> DepthTrial:
        return min(self.repeats, key=lambda tuned: tuned.loss)

    @property
    def gain(self) -> float:
        """By how much the mean loss of the repeats lies under the old one."""
        return self.before.loss - self.loss.mean


def search_depths(hypermodel: DepthHyperModel, folder: Path, log_folder: Path) -> list[DepthTrial]:
    """Runs or carries on the search and returns its trials, the best first.

    Args:
        folder, log_folder: where searches and their TensorBoard runs are kept; this one gets a
            folder in each.

    Raises:
        PlainError: every trial failed, three in a row did, or the kept search is damaged; a chief
            and workers were asked for.
    """
    if tuner_runs.get_chief_address():
        raise console.PlainError("Fine-tuning searches in one process; unset KERASTUNER_ORACLE_IP.")
    settings, data = hypermodel.settings, hypermodel.data
    kept = {name: value for name, value in asdict(settings).items() if name in _SEARCH_KEY_SETTINGS}
    key = [
        hypermodel.parent.card.sha256,
        manifest.compute_fingerprint(data.records),
        hypermodel.deepest,
        kept,
        DEPTH_SPACE_VERSION,
    ]
    name = f"finetuning-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]}"

    def make() -> keras_tuner.Tuner:
        proposing = make_depth_oracle(
            settings.tuner, hypermodel.deepest, settings.trials, settings.seed
        )
        return DepthTuner(
            proposing,
            hypermodel,
            trial_log=TrialLog(settings.trials, log_folder / name, describe_depth_trial),
            directory=folder,
            project_name=name,
        )

    with tuner_runs.hold_search(folder / name):
        tuner = tuner_runs.start_tuner(make, settings.trials)
        return [_make_depth_trial(trial) for trial in tuner_runs.run_tuner(tuner, folder / name)]


_SEARCH_KEY_SETTINGS = ("trials", "epochs", "warmup", "views", "tuner", "precision", "seed")


def _make_depth_trial(trial) -> DepthTrial:
    best = {name: trial.metrics.get_best_value(name) for name in ("auc", "epochs", "trainable")}
    values = dict(trial.hyperparameters.values)
    return DepthTrial(
        values["depth"],
        values,
        float(trial.score),
        best["auc"],
        int(best["epochs"]),
        int(best["trainable"]),
    )


def describe_depth_trial(values: Mapping[str, Any]) -> str:
    """A trial in words."""
    numbers = f"rate {values['learning_rate']:.1e} {values['schedule']}, decay {values['weight_decay']:.0e}"
    rest = f"batch {values['batch_size']}, smoothing {values['label_smoothing']:g}, augmentation: {values['augmentation']}"
    return f"depth {values['depth']}, {numbers}, {rest}"


def train_with_seeds(
    hypermodel: DepthHyperModel, trial: DepthTrial, log_folder: Path
) -> list[DepthTrial]:
    """Trains a trial with several seeds; the hypermodel's parent ends with the weights of the best
    of them."""
    found: list[DepthTrial] = []
    for number in range(hypermodel.settings.repeats):
        seed = hypermodel.settings.seed + number
        tuned = hypermodel.train(
            hypermodel.tail(trial.depth), trial.values, seed, log_folder / f"seed{number}"
        )
        console.print_message(
            f"seed {seed}: loss {tuned.loss:.4f}, AUC {tuned.auc:.4f}, epoch {tuned.epochs}."
        )
        if not found or tuned.loss < min(one.loss for one in found):
            weights = hypermodel.parent.current()
        found.append(tuned)
    hypermodel.parent.restore(weights)
    return found
