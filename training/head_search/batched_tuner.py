"""Define BatchedTuner: KerasTuner's search with many trials training at once, in NumPy.

Oracle, project folder, trials and leaderboard are KerasTuner's own; a search can be interrupted,
resumed, and shared by a chief and workers like any other. Only what happens between `create_trial`
and `end_trial` differs.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.src.distribute import utils as roles

from runtime import console, npz_files
from runtime.terminal.counting import format_count
from training import tensorboard_logs
from training.features.training_features import TrainingFeatures
from training.head_search import batched_training, source_folds, tuner_runs
from training.head_search.head_spec import HeadSpec
from training.head_search.head_trainer import HeadTrainingPlan, TrainedHead
from training.head_search.heads import TRIAL_PATIENCE_EPOCHS, HeadHyperModel
from training.head_search.tuner_runs import LoggedTuner

CHECKPOINT_FILE = "checkpoint.npz"


class BatchedTuner(LoggedTuner, keras_tuner.Tuner):
    """A tuner that trains up to `max_trials_per_batch` trials at once.

    Args:
        max_trials_per_batch: trials that are created before any of them is trained; the oracle gets
            their results together.
        seed: of the order of the images, initial weights and dropout.
    """

    hypermodel: HeadHyperModel

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: HeadHyperModel,
        *,
        max_trials_per_batch: int,
        seed: int,
        **kwargs,
    ):
        super().__init__(oracle, hypermodel, **kwargs)
        self._seed = seed
        # KerasTuner hands out one trial per tuner id.
        self._tuner_ids = [f"{self.tuner_id}-{n}" for n in range(max_trials_per_batch)]

    def search(self, epochs: int, verbose: int = 0) -> None:
        """Replace KerasTuner's loop, which trains one trial after the other.

        Repeat until the oracle has no more trials:
            create as many trials as the oracle gives, at most `max_trials_per_batch`,
            train them at once,
            report each result to the oracle and print its line.
        A chief trains nothing: it only serves the oracle to its workers.
        """
        if roles.is_chief_oracle():
            super().search(epochs=epochs, verbose=verbose)
            return
        if not tuner_runs.is_worker():
            self.oracle.verbose = verbose
        self.on_search_begin()
        while trials := self._create_trials():
            trained = self._train_trials(trials, epochs)
            for trial in trials:
                self._finish_trial(trial, trained[trial.trial_id])
                self.on_trial_end(trial)
        self.on_search_end()

    def _create_trials(self) -> list[Trial]:
        """Create a trial for every tuner id; an id that the oracle stops never asks again."""
        trials: list[Trial] = []
        while self._tuner_ids and not trials:
            for tuner_id in list(self._tuner_ids):
                trial = self.oracle.create_trial(tuner_id)
                if trial.status == TrialStatus.STOPPED:
                    self._tuner_ids.remove(tuner_id)
                elif trial.status == TrialStatus.IDLE:
                    break
                else:
                    self.on_trial_begin(trial)
                    trials.append(trial)
            if self._tuner_ids and not trials:
                time.sleep(0.1)  # the oracle waits for the trials of other workers
        return trials

    def _train_trials(self, trials: list[Trial], epochs: int) -> dict[str, TrainedHead]:
        """Return the trained heads by trial id; those on one base are trained together."""
        trained = {}
        for base in dict.fromkeys(trial.hyperparameters.get("base") for trial in trials):
            on_base = [trial for trial in trials if trial.hyperparameters.get("base") == base]
            plans = [self._make_plan(trial, epochs) for trial in on_base]
            with console.err.status(f"{format_count(len(plans), 'head')} on {base} at once"):
                heads = self._train_plans(self.hypermodel.features[base], plans)
            trained |= {trial.trial_id: head for trial, head in zip(on_base, heads, strict=True)}
        return trained

    def _train_plans(
        self, features: TrainingFeatures, plans: Sequence[HeadTrainingPlan]
    ) -> list[TrainedHead]:
        """Train heads on the same features, or score them on sources left out."""
        if not features.is_logistic:
            return batched_training.train_heads(
                features, plans, self.hypermodel.batch_size, self._seed
            )
        return source_folds.score_on_source_folds(features, plans)

    def _make_plan(self, trial: Trial, epochs: int) -> HeadTrainingPlan:
        values = trial.hyperparameters.values
        spec = HeadSpec.from_hp(values)
        earlier_id = values.get("tuner/trial_id")  # of the trial that Hyperband continues
        return HeadTrainingPlan(
            spec=spec,
            columns=spec.select_columns(self.hypermodel.features[spec.base].columns),
            epochs=values.get("tuner/epochs", epochs),
            patience=TRIAL_PATIENCE_EPOCHS,
            first_epoch=values.get("tuner/initial_epoch", 0),
            initial_weights=None if earlier_id is None else self._load_weights(earlier_id),
            seed=(self._seed, int(trial.trial_id)),
        )

    def _load_weights(self, trial_id: str) -> list[np.ndarray]:
        path = Path(self.get_trial_dir(trial_id)) / CHECKPOINT_FILE
        try:
            arrays = npz_files.parse_npz(path.read_bytes())
            return [arrays[str(number)] for number in range(len(arrays))]
        except (OSError, ValueError, KeyError):
            raise console.PlainError(
                f"{path} is missing or damaged. Delete {self.project_dir} to start the search "
                "again.",
                console.EXIT_DISK,
            ) from None

    def _finish_trial(self, trial: Trial, head: TrainedHead) -> None:
        """Write the trial's TensorBoard run and checkpoint; report its metrics to the oracle."""
        values = trial.hyperparameters.values
        with tensorboard_logs.open_run_log(self.trial_log.log_folder / trial.trial_id) as run:
            run.add_hyperparameters(HeadSpec.from_hp(values).to_hparams(), ("val_loss", "val_auc"))
            log_training_curves(run, head, values.get("tuner/initial_epoch", 0))
        if head.diverged:
            trial.status = TrialStatus.FAILED
            trial.message = "ValueError: the loss is not finite"
            return
        np.savez(
            Path(self.get_trial_dir(trial.trial_id)) / CHECKPOINT_FILE,
            **{str(number): array for number, array in enumerate(head.weights)},
        )
        self.oracle.update_trial(trial.trial_id, head.get_metrics(), step=head.best_epoch)
        trial.status = TrialStatus.COMPLETED


def log_training_curves(
    run: tensorboard_logs.RunLog, head: TrainedHead, first_epoch: int = 0
) -> None:
    """Write the head's losses and AUCs, epoch by epoch."""
    for epoch in range(len(head.history["val_loss"])):
        scalars = {name: curve[epoch] for name, curve in head.history.items() if curve}
        run.add_scalars(scalars, first_epoch + epoch)


class _NoTrialReady(Exception):
    """No trial of the open brackets can start yet."""


class BatchedHyperbandOracle(keras_tuner.oracles.HyperbandOracle):
    """Hyperband that opens a new bracket only when no trial of an older one is training.

    KerasTuner's own opens one whenever a trial is asked for, which fills a batch with first rounds
    and leaves no trial to be continued.
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
