"""The heads that a search ends with: on each base an ensemble, and the mean of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.detectors.card_fields import SeedScores
from training.features.column_selection import compute_column_indices
from training.features.layout import Column
from training.features.training_features import iterate_blocks
from training.head_search.head_spec import HeadSpec
from training.head_search.head_trainer import HeadTrainingPlan
from training.head_search.heads import select_generator_outputs
from training.refits.refit_heads import RefitEnsemble
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras


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
class BaseEnsemble:
    """The best heads on one base, whose calibrated logits are averaged.

    Attributes:
        temperature: divides the mean of the heads' logits; 1 for the only base of a detector, which
            has a temperature itself.
    """

    base: str
    heads: list[FinalHead]
    temperature: float = 1.0

    @property
    def logits(self) -> np.ndarray:
        """Logits of the validation images as judged, shape (images,)."""
        return np.mean([head.logits for head in self.heads], axis=0) / self.temperature

    def compute_logits(self, judged: np.ndarray) -> np.ndarray:
        """Return the logit of every image at every quality, (images, qualities).

        Args:
            judged: features on the base, shape (images, qualities, width).
        """
        logits = [
            compute_model_logits(head.model, head.columns, judged) / head.temperature
            for head in self.heads
        ]
        return np.mean(logits, axis=0) / self.temperature


@dataclass(frozen=True)
class FinalDetector:
    """The best heads on one base, or on several, of which each weighs the same.

    Attributes:
        temperature: divides the mean of the ensembles' logits.
        generators: the sources that every head has an output for; none if there is one source.
        repeats: loss and AUC with every seed, where there are several.
    """

    ensembles: list[BaseEnsemble]
    temperature: float = 1.0
    generators: Sequence[str] = ()
    repeats: Sequence[SeedScores] = ()

    @property
    def heads(self) -> list[FinalHead]:
        """The heads on all bases."""
        return [head for ensemble in self.ensembles for head in ensemble.heads]

    @property
    def logits(self) -> np.ndarray:
        """Calibrated logits of the validation images as judged, shape (images,)."""
        return np.mean([part.logits for part in self.ensembles], axis=0) / self.temperature

    def compute_logits(self, judged: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the calibrated logit of every image at every quality, (images, qualities).

        Args:
            judged: features by base, each of shape (images, qualities, width).
        """
        logits = [part.compute_logits(judged[part.base]) for part in self.ensembles]
        return np.mean(logits, axis=0) / self.temperature

    def compute_generator_logits(self, judged: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the calibrated logit of every generator, (images, generators), the mean over
        qualities, of heads with an output for each.

        Args:
            judged: features by base, each of shape (images, qualities, width).
        """
        logits = [
            compute_output_logits(head, judged[part.base]) / (head.temperature * part.temperature)
            for part in self.ensembles
            for head in part.heads
        ]
        weights = [1 / len(part.heads) for part in self.ensembles for _ in part.heads]
        return np.average(logits, axis=0, weights=weights) / self.temperature

    def make_refit_ensembles(self, settings: TrainingSettings) -> dict[str, RefitEnsemble]:
        """Return by base how to train the same heads again on other images."""
        return {
            part.base: RefitEnsemble(
                plans=[head.refit_plan for head in part.heads],
                temperatures=[
                    head.temperature * part.temperature * self.temperature for head in part.heads
                ],
                batch_size=settings.batch_size,
                seed=settings.seed,
                single_output=not self.generators,
            )
            for part in self.ensembles
        }


def compute_output_logits(head: FinalHead, judged: np.ndarray) -> np.ndarray:
    """Return the head's logit of every output, (images, generators), the mean over qualities."""
    index = compute_column_indices(head.columns)
    model = select_generator_outputs(head.model)
    blocks = [
        np.asarray(model.predict_on_batch(block[:, :, index].reshape(-1, len(index))))
        .astype(np.float64)
        .reshape(*block.shape[:2], -1)
        .mean(axis=1)
        for block in iterate_blocks(judged)
    ]
    return np.concatenate(blocks)


def compute_model_logits(
    model: "keras.Model", columns: Sequence[Column], judged: np.ndarray
) -> np.ndarray:
    """Return the model's logit of every image at every quality, shape (images, qualities)."""
    index = compute_column_indices(columns)
    blocks = [
        np.asarray(model.predict_on_batch(block[:, :, index].reshape(-1, len(index))))
        for block in iterate_blocks(judged)
    ]
    return np.concatenate(blocks)[:, 0].astype(np.float64).reshape(judged.shape[:2])
