"""WaveTuner: KerasTuner's search with many trials in training at once, on shared batches, in NumPy.

Oracle, project folder, trials and leaderboard are KerasTuner's own; a search can be interrupted, carried on, and shared by a
chief and workers like any other. Only what happens between `create_trial` and `end_trial` differs.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.distribute import utils as roles

from runtime import console, npz_files
from training import tensorboard_logs
from training.features.column_selection import select_columns
from training.features.training_features import TrainingFeatures
from training.head_search import batched_training, tuner_runs
from training.head_search.head_trainer import HeadTrainingPlan, TrainedHead
from training.head_search.heads import HEAD_HYPERPARAMETERS, TRIAL_PATIENCE_EPOCHS, HeadHyperModel

CHECKPOINT_FILE = "checkpoint.npz"


class BatchedTuner(keras_tuner.Tuner):
    """Trains up to `lanes` trials at once.

    Args:
        lanes: as many trials are asked for before any of them is trained; the oracle learns of their results together.
        seed: of the order of the images, first weights and dropout.
        log_folder: gets a TensorBoard run per trial.
    """

    hypermodel: HeadHyperModel

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: HeadHyperModel,
        lanes: int,
        seed: int,
        log_folder: Path,
        **project,
    ):
        super().__init__(oracle, hypermodel, **project)
        self._seed, self._log_folder = seed, log_folder
        self._lanes = [f"{self.tuner_id}-{number}" for number in range(lanes)]

    def search(self, epochs: int, verbose: int = 0) -> None:
        if roles.is_chief_oracle():
            super().search(epochs=epochs, verbose=verbose)
            return
        if not tuner_runs.is_worker():
            self.oracle.verbose = verbose
        self.on_search_begin()
        while wave := self._wave():
            done = self._trained(wave, epochs)
            for trial in wave:
                self._report(trial, done[trial.trial_id])
                self.on_trial_end(trial)
        self.on_search_end()

    def _wave(self) -> list[Trial]:
        """A new trial for every lane that gets one; a lane that is told to stop never asks again."""
        wave: list[Trial] = []
        while self._lanes and not wave:
            for lane in list(self._lanes):
                trial = self.oracle.create_trial(lane)
                if trial.status == TrialStatus.STOPPED:
                    self._lanes.remove(lane)
                elif trial.status == TrialStatus.IDLE:
                    break
                else:
                    self.on_trial_begin(trial)
                    wave.append(trial)
            if self._lanes and not wave:
                time.sleep(0.1)  # the oracle waits for what other workers are at
        return wave

    def _trained(self, wave: list[Trial], epochs: int) -> dict[str, TrainedHead]:
        found = {}
        for base in dict.fromkeys(trial.hyperparameters.get("base") for trial in wave):
            mine = [trial for trial in wave if trial.hyperparameters.get("base") == base]
            plans = [self._plan(trial, epochs) for trial in mine]
            with console.err.status(f"{len(plans)} heads on {base} at once"):
                heads = batched_training.train_heads(
                    self.hypermodel.faces[base], plans, self.hypermodel.batch_size, self._seed
                )
            found |= {trial.trial_id: head for trial, head in zip(mine, heads, strict=True)}
        return found

    def _plan(self, trial: Trial, epochs: int) -> HeadTrainingPlan:
        values = trial.hyperparameters.values
        parent = values.get("tuner/trial_id")  # Hyperband carries a trial on
        return make_training_plan(
            self.hypermodel.faces,
            values,
            epochs=values.get("tuner/epochs", epochs),
            patience=TRIAL_PATIENCE_EPOCHS,
            first_epoch=values.get("tuner/initial_epoch", 0),
            weights=self._weights(parent) if parent is not None else None,
            seed=(self._seed, int(trial.trial_id)),
        )

    def _weights(self, trial_id: str) -> list[np.ndarray]:
        path = Path(self.get_trial_dir(trial_id)) / CHECKPOINT_FILE
        try:
            kept = npz_files.parse_npz(path.read_bytes())
            return [kept[str(place)] for place in range(len(kept))]
        except (OSError, ValueError, KeyError):
            raise console.PlainError(
                f"{path} is missing or damaged; delete {self.project_dir} to start the search again.",
                console.EXIT_DISK,
            ) from None

    def _report(self, trial: Trial, head: TrainedHead) -> None:
        """Tells the oracle, keeps the weights of the best epoch, and writes the curves for TensorBoard."""
        values = trial.hyperparameters.values
        with tensorboard_logs.open_run_log(self._log_folder / trial.trial_id) as run:
            run.hyperparameters(
                {name: values.get(name, 0) for name in HEAD_HYPERPARAMETERS},
                ("val_loss", "val_auc"),
            )
            log_training_curves(run, head, values.get("tuner/initial_epoch", 0))
        if head.diverged:
            trial.status = TrialStatus.FAILED
            trial.message = "ValueError: the loss is not a number any more"
            return
        np.savez(
            Path(self.get_trial_dir(trial.trial_id)) / CHECKPOINT_FILE,
            **{str(place): array for place, array in enumerate(head.weights)},
        )
        best = {name: curve[head.best] for name, curve in head.history.items()}
        self.oracle.update_trial(trial.trial_id, best, step=head.best)
        trial.status = TrialStatus.COMPLETED


def make_training_plan(
    faces: Mapping[str, TrainingFeatures], values: Mapping[str, Any], **more
) -> HeadTrainingPlan:
    """How a trial's values ask for a head to be trained; `more` is the rest of the plan."""
    columns = select_columns(faces[values["base"]].columns, values)
    shape = values["layers"], values.get("units", 0)
    return HeadTrainingPlan(
        columns, *shape, values["dropout"], values["weight_decay"], values["learning_rate"], **more
    )


def log_training_curves(
    run: tensorboard_logs.RunLog, head: TrainedHead, first_epoch: int = 0
) -> None:
    for epoch in range(len(head.history["loss"])):
        run.scalars(
            {name: curve[epoch] for name, curve in head.history.items()}, first_epoch + epoch
        )


class _NoTrialReady(Exception):
    """No trial of the brackets that are open can begin yet."""


class BatchedHyperbandOracle(keras_tuner.oracles.HyperbandOracle):
    """Hyperband that opens a new bracket only when nothing of an older one is in training.

    KerasTuner's own opens one whenever a trial is asked for, which fills a wave with beginnings and leaves no trial to be
    carried on.
    """

    def populate_space(self, trial_id: str) -> dict:
        try:
            return super().populate_space(trial_id)
        except _NoTrialReady:
            return {"status": "IDLE"}

    def _increment_bracket_num(self) -> None:
        if self.ongoing_trials:
            raise _NoTrialReady
        super()._increment_bracket_num()
