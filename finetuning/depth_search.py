"""KerasTuner over the depth of fine-tuning; the best trial with several seeds; and whether any of it helped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras_tuner

from data_collection import console, manifest
from finetuning.depth_model import SPACE_VERSION, DepthHyperModel, Tuned
from finetuning.ranking import RANKING
from training import tuners
from training.seeds import Spread

ORACLES: dict[str, type[keras_tuner.Oracle]] = {
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
    "random": keras_tuner.oracles.RandomSearchOracle,
}


def oracle(name: str, deepest: int, trials: int, seed: int) -> keras_tuner.Oracle:
    """Proposes trials: every depth once, from the top down, then as the named way of searching goes."""
    kind = ORACLES[name]

    class EachDepthFirst(kind):
        def populate_space(self, trial_id: str) -> dict:
            proposed = super().populate_space(trial_id)
            depth = len(self.start_order) + 1
            if "values" in proposed and depth <= deepest:
                proposed["values"]["depth"] = depth
            return proposed

    # KerasTuner's own choice, three random trials for each hyperparameter, would leave nothing for the Bayesian part
    more = {"num_initial_points": max(deepest, trials // 2)} if name == "bayesian" else {}
    # KerasTuner takes a seed of 0 for none
    return EachDepthFirst(objective=keras_tuner.Objective(RANKING, "min"), max_trials=trials, seed=seed + 1, **more)


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    Attributes:
        before: the detector as it was.
        trials: the best first.
        repeats: the best trial with several seeds.
    """

    before: Tuned
    trials: list[Tuned]
    repeats: list[Tuned]

    @property
    def loss(self) -> Spread:
        return Spread(tuple(tuned.loss for tuned in self.repeats))

    @property
    def best(self) -> Tuned:
        return min(self.repeats, key=lambda tuned: tuned.loss)

    @property
    def gain(self) -> float:
        """By how much the mean loss of the repeats lies under the old one."""
        return self.before.loss - self.loss.mean


def search(hypermodel: DepthHyperModel, folder: Path, log_folder: Path) -> list[Tuned]:
    """Runs or carries on the search and returns its trials, the best first.

    Args:
        folder, log_folder: where searches and their TensorBoard runs are kept; this one gets a folder in each.

    Raises:
        PlainError: every trial failed, three in a row did, or the kept search is damaged; a chief and workers were asked for.
    """
    if tuners.chief_address():
        raise console.PlainError("Fine-tuning searches in one process; unset KERASTUNER_ORACLE_IP.")
    settings, data = hypermodel.settings, hypermodel.data
    kept = {name: value for name, value in asdict(settings).items() if name in _DECISIVE}
    key = [hypermodel.parent.card.sha256, manifest.fingerprint(data.records), hypermodel.deepest, kept, SPACE_VERSION]
    name = f"finetuning-{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]}"

    def make() -> keras_tuner.Tuner:
        proposing = oracle(settings.tuner, hypermodel.deepest, settings.trials, settings.seed)
        tuner = tuners.shown(keras_tuner.Tuner, settings.trials, log_folder / name, describe)
        return tuner(proposing, hypermodel, directory=folder, project_name=name)

    with tuners.alone(folder / name):
        tuner = tuners.begun(make, settings.trials)
        return [_tuned(trial) for trial in tuners.run(tuner, folder / name)]


_DECISIVE = ("trials", "epochs", "warmup", "views", "tuner", "precision", "seed")


def _tuned(trial) -> Tuned:
    best = {name: trial.metrics.get_best_value(name) for name in ("auc", "epochs", "trainable")}
    values = dict(trial.hyperparameters.values)
    return Tuned(values["depth"], values, float(trial.score), best["auc"], int(best["epochs"]), int(best["trainable"]))


def describe(values: Mapping[str, Any]) -> str:
    """A trial in words."""
    numbers = f"rate {values['learning_rate']:.1e} {values['schedule']}, decay {values['weight_decay']:.0e}"
    rest = f"batch {values['batch_size']}, smoothing {values['label_smoothing']:g}, augmentation: {values['augmentation']}"
    return f"depth {values['depth']}, {numbers}, {rest}"


def repeat(hypermodel: DepthHyperModel, trial: Tuned, log_folder: Path) -> list[Tuned]:
    """Trains a trial with several seeds; the hypermodel's parent ends with the weights of the best of them."""
    found: list[Tuned] = []
    for number in range(hypermodel.settings.repeats):
        seed = hypermodel.settings.seed + number
        tuned = hypermodel.train(hypermodel.tail(trial.depth), trial.values, seed, log_folder / f"seed{number}")
        console.say(f"seed {seed}: loss {tuned.loss:.4f}, AUC {tuned.auc:.4f}, epoch {tuned.epochs}.")
        if not found or tuned.loss < min(one.loss for one in found):
            weights = hypermodel.parent.current()
        found.append(tuned)
    hypermodel.parent.restore(weights)
    return found
