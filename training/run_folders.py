"""Define RunFolders, the folders of one command, and TrainingRun, what its steps share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.cuts.choose_cuts import CutTargets
from training.dataset import Dataset
from training.settings import TrainingSettings

SEARCHES_FOLDER = "searches"


@dataclass(frozen=True)
class RunFolders:
    """Folders of the searches, TensorBoard runs and saved detectors of one command.

    Attributes:
        dataset: folder of the data set.
        logs: TensorBoard folder of training, which fine-tuning shares.
        saved_models: folder of all saved detectors.
    """

    dataset: Path
    logs: Path
    saved_models: Path

    @property
    def searches(self) -> Path:
        """Folder of everything that a later command can resume."""
        return self.dataset / SEARCHES_FOLDER

    @property
    def search_logs(self) -> Path:
        """TensorBoard folder of the searches on this data set."""
        return self.logs / f"{self.dataset.name}-search"

    def run_logs(self, name: str) -> Path:
        """Return the TensorBoard folder of the detector of this name."""
        return self.logs / name

    def detector(self, name: str) -> Path:
        """Return the folder of the saved detector of this name."""
        return self.saved_models / name


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """Values that all steps of one training command share.

    Attributes:
        name: of the detector to be saved.
        banner: what every report says first; empty if there is nothing to warn of.
        practice: whether the data set is the sample.
    """

    settings: TrainingSettings
    data: Dataset
    folders: RunFolders
    name: str
    banner: str
    practice: bool = False

    @property
    def cut_targets(self) -> CutTargets:
        """Targets of the cuts that the detector uses unless others are chosen."""
        return CutTargets(false_alarms=self.settings.false_alarms, misses=self.settings.misses)

    @property
    def validation_labels(self) -> np.ndarray:
        """1 for generated, shape (images,)."""
        return self.data.encode_labels(self.data.validation)
