"""ValidationSettings; the attribute docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime import options


@dataclass(frozen=True)
class ValidationSettings:
    """Judge a saved detector on the hold-out, which no other command opens; every opening is
    counted.

    Writes one page, report/index.html beside the model, with metrics.json, and the model's card
    README.md. Long steps are cached, so a second run takes seconds and an interrupted one
    resumes. The threshold and the temperature are the ones that training chose on the validation split.
    `python -m validation cross-generator` asks instead how a detector that was
    trained on one generator does on the others. Exit code 5: the hold-out was altered, or an image was in the training; 8: no
    detector, or an altered one.
    """

    model: Path | None = None
    """Folder or name of a saved detector; without it, the newest."""

    dataset: Path | None = None
    """Folder or name of the data set that the detector was trained on, if it has moved."""

    data: Path | None = None
    """Judge these images instead of the hold-out: another data set, or a folder with the subfolders
    `real` and `generated` \
(one of them is enough; folders inside them are sources)."""

    label: Literal["real", "generated"] | None = None
    """Class of all images of --data, where its subfolders do not say it."""

    drop_known: bool = False
    """Leave out images of --data that the detector was trained on, instead of refusing (exit code
    5)."""

    against: Path | None = None
    """Folder or name of a second detector, to be judged on the same images and compared."""

    distorted: int = 240
    """Images that are recompressed, shrunk, blurred, ... in over 40 ways; 0 for none."""

    explained: int = 64
    """Images that heat maps are drawn for and checked on; 0 for none, and no map of the features
    either."""

    projection: Literal["t-sne", "umap"] = "t-sne"
    """Projection of the features onto a map; `umap` needs `pip install -r
    requirements-umap.txt`."""

    report: Path | None = None
    """Folder of the report; without it, `report` beside the model, or `report-NAME` for --data."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    logs: Path = Path("logs")
    """Folder for TensorBoard."""

    def __post_init__(self) -> None:
        options.check_ranges(self, distorted=(0, 100_000), explained=(0, 10_000))
        if self.label and self.data is None:
            raise ValueError("--label names the class of the images of --data; give --data, too.")
