"""DepthHyperModel: unfreeze the blocks above a boundary, train in two phases, run the guard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np

from data_collection.images import canonical
from finetuning import boundary_cache, boundary_models
from finetuning.boundary_batches import make_row_batches
from finetuning.boundary_cache import BoundaryRows
from finetuning.boundary_models import Boundary
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
from finetuning.unfreezing import Block, Guard, unfreeze_blocks
from runtime import console
from training import accelerators
from training.dataset import Dataset
from training.detectors.detector_parts import DetectorParts
from training.fitting import LABEL_SMOOTHING
from training.head_search import tuner_runs

if TYPE_CHECKING:
    import keras

DEPTH_SPACE_VERSION = 4
"""Part of the search key. Raise it with every change to the search space or to how trials are
trained, so that no older search is resumed."""


@dataclass(frozen=True)
class BoundaryData:
    """The boundary of one depth, and its rows of both splits.

    Attributes:
        judged: of the validation images, in the views in which images are judged.
    """

    boundary: Boundary
    train: BoundaryRows
    validation: BoundaryRows
    judged: BoundaryRows


class DepthHyperModel(keras_tuner.HyperModel):
    """Tails of a detector, built on the boundary below the unfrozen blocks.

    Args:
        data: with at least one image of each class in train and validation.
        blocks: all blocks of the base, from the top down.
        max_depth: largest number of blocks that a trial unfreezes.

    Attributes:
        forward_passes: number of forward passes through frozen blocks so far.
        log_folder: TensorBoard run of the next trial; None for no logs.
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
        self.forward_passes = 0
        self.log_folder: Path | None = None
        self._boundary_data: dict[int, BoundaryData] = {}

    def build(self, hp: keras_tuner.HyperParameters) -> "keras.Model":
        """Register the hyperparameters and build the tail of the proposed depth."""
        hp.Int("depth", 1, self.max_depth)
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

    def load_boundary_data(self, depth: int) -> BoundaryData:
        """Return the boundary's rows at a depth, from the saved weights; computed on first use."""
        if depth not in self._boundary_data:
            current_weights = self.parts.copy_weights()
            self.parts.restore_weights()
            self._boundary_data[depth] = self._compute_boundary_data(depth)
            self.parts.restore_weights(current_weights)
        return self._boundary_data[depth]

    def _compute_boundary_data(self, depth: int) -> BoundaryData:
        data, views = self.data, self.settings.views
        n_rows = (len(data.train) + len(data.validation)) * views
        boundary = boundary_models.choose_boundary(
            self.parts, self.blocks[:depth], n_rows, self.settings.disk
        )
        if boundary.pixels_reason:
            reason = f"{boundary.pixels_reason[0].upper()}{boundary.pixels_reason[1:]}"
            console.print_warning(f"{reason}; depth {depth} starts from the pixels.")
        splits = []
        for records, numbers in (
            (data.train, range(views)),
            (data.validation, range(views)),
            (data.validation, canonical.list_judgement_views()),
        ):
            rows, forward_passes = boundary_cache.load_or_compute_rows(
                self.parts, boundary, data.folder, records, numbers
            )
            self.forward_passes += forward_passes if boundary.tap else 0
            splits.append(rows)
        return BoundaryData(boundary, *splits)

    def build_tail(self, depth: int) -> "keras.Model":
        """Build the tail above the boundary of a depth, with the saved weights."""
        boundary = self.load_boundary_data(depth).boundary
        self.parts.restore_weights()
        return boundary_models.build_tail(self.parts, boundary)

    def train_trial(
        self, model: "keras.Model", values: Mapping[str, Any], seed: int, log_folder: Path | None
    ) -> DepthTrial:
        """Train the heads, then heads and unfrozen blocks; leave the weights of the best epoch.

        Raises:
            FailedTrialError: the loss became NaN.
            GuardError: other weights were trained than the unfrozen ones.
        """
        import keras

        keras.utils.set_random_seed(seed)
        self.parts.restore_weights()
        self.parts.reseed_dropout(seed)
        depth = values["depth"]
        guard = Guard(self.blocks, depth)
        history = self._fit_tail(model, values, seed, log_folder)
        losses = get_validation_losses(history, values["learning_rate"])
        changes = guard.check(model)
        best = int(np.argmin(losses))
        return DepthTrial(
            depth=depth,
            values=dict(values),
            loss=float(losses[best]),
            auc=float(history["val_auc"][best]),
            epochs=best + 1,
            trainable_parameters=sum(
                int(np.prod(weight.shape)) for weight in model.trainable_weights
            ),
            changes=tuple(changes),
        )

    def _fit_tail(
        self, model: "keras.Model", values: Mapping[str, Any], seed: int, log_folder: Path | None
    ) -> dict[str, list[float]]:
        """Train the heads, then heads and unfrozen blocks; return the history of the latter."""
        boundary_data = self.load_boundary_data(values["depth"])
        train_batches = self._make_train_batches(boundary_data.train, values, seed)
        unfrozen = self.blocks[: values["depth"]]
        if self.settings.warmup:
            unfreeze_blocks(self.parts.base, [])
            warm_up(model, train_batches, self.settings.warmup, values)
        unfreeze_blocks(self.parts.base, unfrozen)
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
        boundary_data = self.load_boundary_data(1)
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
        logits = self.compute_logits(1)
        self.parts.restore_weights(current_weights)
        return logits

    def compute_logits(self, depth: int) -> np.ndarray:
        """Return the logits of the validation images with the current weights, (images,).

        They are the means over the views in which images are judged.

        Args:
            depth: the depth that the current weights were trained with.
        """
        boundary_data = self.load_boundary_data(depth)
        model = boundary_models.build_tail(self.parts, boundary_data.boundary)
        n_views = len(canonical.JUDGEMENT_QUALITIES)
        rows = np.arange(len(self.data.validation) * n_views)
        logits = []
        for start in range(0, len(rows), VALIDATION_BATCH_IMAGES):
            images, views = np.divmod(rows[start : start + VALIDATION_BATCH_IMAGES], n_views)
            inputs = boundary_data.judged[images, views]
            logits.append(accelerators.predict_on_batch(model, inputs)[0])
        return np.concatenate(logits)[:, 0].astype(np.float64).reshape(-1, n_views).mean(axis=1)
