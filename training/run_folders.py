"""Name the folders that one command of training or fine-tuning reads and writes."""

from dataclasses import dataclass
from pathlib import Path

SEARCHES_FOLDER = "searches"


@dataclass(frozen=True)
class RunFolders:
    """Where one command keeps its searches, TensorBoard runs and saved detectors.

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
