"""Search and train an ensemble as `python -m training` does, on cached features."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.final_detector import ensemble
from training.final_detector.final_detector import FinalDetector
from training.head_search import search
from training.run_folders import RunFolders
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from validation.cross_generator.task import TrainingTask


@dataclass(frozen=True)
class SearchedEnsemble:
    """A detector whose features come without the name of its base."""

    base: str
    detector: FinalDetector

    def compute_logits(self, judged: np.ndarray) -> np.ndarray:
        """Return calibrated logits (images, views), of features (images, views, width)."""
        return self.detector.compute_logits({self.base: judged})


def search_ensemble(task: "TrainingTask") -> SearchedEnsemble:
    """Search and train an ensemble with training's default settings; print and save no trial."""
    features = {task.settings.base: _build_training_features(task)}
    labels = task.images.label[task.validation]
    settings = TrainingSettings(bases=(task.settings.base,))
    was_quiet, console.err.quiet = console.err.quiet, True
    try:
        with tempfile.TemporaryDirectory() as folder:
            folders = RunFolders(Path(folder), Path(folder) / "logs", Path(folder))
            trials = search.search_heads(features, settings.search_config, "", folders)
            detector = ensemble.train_final_detector(
                trials, features, labels, settings.seed, settings, folders.run_logs("final")
            )
            return SearchedEnsemble(task.settings.base, detector)
    finally:
        console.err.quiet = was_quiet


def _build_training_features(task: "TrainingTask") -> TrainingFeatures:
    images = task.images
    train, validation = (
        SplitFeatures(
            values, images.label[rows], [images.records[row].source for row in rows], values
        )
        for values, rows in (
            (task.views(task.train), task.train),
            (task.features.judged[task.validation], task.validation),
        )
    )
    return TrainingFeatures(task.features.columns, train, validation)
