"""DepthHyperModel: unfreeze the blocks above a boundary, train in two phases, run the guard."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np

from data_collection.images import canonical
from finetuning import tuning_methods
from finetuning.boundary import split_models
from finetuning.boundary.row_batches import make_row_batches
from finetuning.boundary.row_cache import BoundaryRows
from finetuning.boundary.row_loading import BoundaryLoader
from finetuning.calibrated_loss import CALIBRATED_LOSS_NAME
from finetuning.depth_training import (
    VALIDATION_BATCH_IMAGES,
    DepthTrial,
    compile_tail,
    get_validation_losses,
    make_callbacks,
    make_learning_rate,
    warm_up,
)
from finetuning.settings import FinetuningSettings
from finetuning.tuning_methods import TUNING_METHODS
from finetuning.unfreezing import Block, Guard, unfreeze_blocks
from runtime import console
from training import accelerators
from training.dataset import Dataset
from training.detectors.detector_parts import DetectorParts
from training.fitting import LABEL_SMOOTHING
from training.head_search import tuner_runs

if TYPE_CHECKING:
    import keras

DEPTH_SPACE_VERSION = 5
"""Part of the search key. Raise it with every change to the search space or to how trials are
trained, so that no older search is resumed."""


class DepthHyperModel(keras_tuner.HyperModel):
    """Tails of a detector, built on the boundary below the unfrozen blocks.

    Args:
        data: with at least one image of each class in train and validation.
        blocks: all blocks of the base, from the top down.
        max_depth: largest number of blocks that a trial unfreezes.

    Attributes:
        methods: names of the tuning methods to choose from.
        boundaries: their rows, by depth.
        log_folder: TensorBoard run of the next trial; None for no logs.

    Raises:
        PlainError: the base does not take a tuning method of the settings.
    """

    def __init__(
        self,
        parts: DetectorParts,
        data: Dataset,
        blocks: Sequence[Block],
        max_depth: int,
        settings: FinetuningSettings,
    ):
        super().__init__()
        self.parts, self.data, self.blocks, self.settings = parts, data, blocks, settings
        self.max_depth = max_depth
        methods = tuning_methods.select_methods(parts.base.spec.name, settings.methods)
        self.methods = [method.name for method in methods]
        self.boundaries = BoundaryLoader(parts, data, blocks, settings)
        self.log_folder: Path | None = None
        self._get_judge = functools.cache(self._build_judge)

    def build(self, hp: keras_tuner.HyperParameters) -> "keras.Model":
        """Register the hyperparameters and build the tail of the proposed depth."""
        hp.Int("depth", 1, self.max_depth)
        if len(self.methods) > 1:
            hp.Choice("method", self.methods)
        hp.Float("learning_rate", 1e-5, 1e-3, sampling="log")
        hp.Choice("schedule", ["constant", "cosine"])
        hp.Float("weight_decay", 1e-6, 1e-2, sampling="log")
        hp.Choice("batch_size", [16, 32])
        hp.Choice("label_smoothing", [0.0, LABEL_SMOOTHING])
        hp.Choice("augmentation", ["none", "all views"] if self.settings.views > 1 else ["none"])
        try:
            return self.build_tail(hp.get("depth"))
        except console.PlainError as error:
            raise tuner_runs.SearchStopped(error) from None

    def fit(
        self, hp: keras_tuner.HyperParameters, model: "keras.Model", *args, **kwargs
    ) -> dict[str, float]:
        """Train one trial and return its metrics for KerasTuner."""
        trial = self.train_trial(model, hp.values, self.settings.seed, self.log_folder)
        return {
            CALIBRATED_LOSS_NAME: trial.loss,
            "auc": trial.auc,
            "epochs": trial.epochs,
            "trainable": trial.trainable_parameters,
        }

    def build_tail(self, depth: int) -> "keras.Model":
        """Build the tail above the boundary of a depth, with the saved weights."""
        boundary = self.boundaries.load(depth).boundary
        self.parts.restore_weights()
        return split_models.build_tail(self.parts, boundary)

    def _build_judge(self, depth: int) -> "keras.Model":
        """Build a tail that predicts: it is traced once, and always has the current weights."""
        return split_models.build_tail(self.parts, self.boundaries.load(depth).boundary)

    def train_trial(
        self, model: "keras.Model", values: Mapping[str, Any], seed: int, log_folder: Path | None
    ) -> DepthTrial:
        """Train the heads, then heads and unfrozen blocks; leave the weights of the best epoch.

        A trial without a method takes the only one.

        Raises:
            FailedTrialError: the loss became NaN.
            GuardError: other weights were trained than the unfrozen ones.
        """
        import keras

        keras.utils.set_random_seed(seed)
        self.parts.restore_weights()
        self.parts.reseed_dropout(seed)
        values = self.complete_values(values)
        method, unfrozen = TUNING_METHODS[values["method"]], self.blocks[: values["depth"]]
        with method.add_matrices(layer for block in unfrozen for layer in block.layers):
            guard = Guard(self.blocks, len(unfrozen), method)
            history = self._fit_tail(model, values, seed, log_folder)
            losses = get_validation_losses(history, values["learning_rate"])
            changes = guard.check(model)
            sizes = [int(np.prod(weight.shape)) for weight in model.trainable_weights]
        best = int(np.argmin(losses))
        return DepthTrial(
            depth=values["depth"],
            values=values,
            loss=float(losses[best]),
            auc=float(history["val_auc"][best]),
            epochs=best + 1,
            trainable_parameters=sum(sizes),
            changes=tuple(changes),
        )

    def complete_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters of a trial with its method, which a search of one method does
        not propose."""
        return {"method": self.methods[0], **values}

    def _fit_tail(
        self, model: "keras.Model", values: Mapping[str, Any], seed: int, log_folder: Path | None
    ) -> dict[str, list[float]]:
        """Train the heads, then heads and unfrozen blocks; return the history of the latter."""
        boundary_data = self.boundaries.load(values["depth"])
        train_batches = self._make_train_batches(boundary_data.train, values, seed)
        unfrozen = self.blocks[: values["depth"]]
        if self.settings.warmup:
            unfreeze_blocks(self.parts.base, [])
            warm_up(model, train_batches, self.settings.warmup, values)
        unfreeze_blocks(self.parts.base, unfrozen, TUNING_METHODS[values["method"]])
        n_steps = len(train_batches) * self.settings.epochs
        compile_tail(model, make_learning_rate(values, n_steps), values)
        layers = [layer for block in unfrozen for layer in block.layers]
        policy = accelerators.choose_dtype_policy(self.settings.precision)
        with accelerators.use_dtype_policy(layers, policy):
            return model.fit(
                train_batches,
                validation_data=self._make_validation_batches(boundary_data.validation),
                epochs=self.settings.epochs,
                verbose=0,
                callbacks=make_callbacks(values, log_folder),
            ).history

    def _make_train_batches(
        self, rows: BoundaryRows, values: Mapping[str, Any], seed: int
    ) -> "keras.utils.PyDataset":
        labels = self.data.encode_labels(self.data.train)
        n_views = 1 if values["augmentation"] == "none" else self.settings.views
        return make_row_batches(rows, labels, n_views, values["batch_size"], seed)

    def _make_validation_batches(self, rows: BoundaryRows) -> "keras.utils.PyDataset":
        labels = self.data.encode_labels(self.data.validation)
        return make_row_batches(rows, labels, self.settings.views, VALIDATION_BATCH_IMAGES, None)

    def evaluate_source(self) -> DepthTrial:
        """Score the unchanged source detector like a trial."""
        boundary_data = self.boundaries.load(1)
        model = self.build_tail(1)
        compile_tail(model, 0.0, {"weight_decay": 0.0, "label_smoothing": 0.0})
        batches = self._make_validation_batches(boundary_data.validation)
        metrics = model.evaluate(batches, verbose=0, return_dict=True)
        loss, auc = float(metrics[CALIBRATED_LOSS_NAME]), float(metrics["auc"])
        return DepthTrial(depth=0, values={}, loss=loss, auc=auc)

    def compute_source_logits(self) -> np.ndarray:
        """Return the logits of the source detector; base and heads keep their current weights."""
        current_weights = self.parts.copy_weights()
        self.parts.restore_weights()
        logits = self.compute_logits(1).mean(axis=1)
        self.parts.restore_weights(current_weights)
        return logits

    def compute_logits(self, depth: int) -> np.ndarray:
        """Return the logits of the validation images as judged, shape (images, qualities), with the
        current weights.

        Args:
            depth: the depth that the current weights were trained with.
        """
        boundary_data, model = self.boundaries.load(depth), self._get_judge(depth)
        n_views = len(canonical.JUDGEMENT_QUALITIES)
        rows = np.arange(len(self.data.validation) * n_views)
        logits = []
        for start in range(0, len(rows), VALIDATION_BATCH_IMAGES):
            images, views = np.divmod(rows[start : start + VALIDATION_BATCH_IMAGES], n_views)
            inputs = boundary_data.judged[images, views]
            logits.append(accelerators.predict_on_batch(model, inputs)[0])
        return np.concatenate(logits)[:, 0].astype(np.float64).reshape(-1, n_views)
