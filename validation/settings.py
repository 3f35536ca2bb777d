"""ValidationSettings; the attribute docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from data_collection.dataset.manifest import ImageClass
from runtime import options
from runtime.command_lines.option_groups import Advanced, Basic, Folders, Metavar, Output
from runtime.commands import workspace


@dataclass(frozen=True, kw_only=True)
class ValidationSettings:
    """Validate a saved detector on the hold-out, which no other command opens; every opening is
    counted.

    Write one page, report/index.html beside the model, with metrics.json, and the model card
    README.md. Long steps are cached, so a second run takes seconds and an interrupted one
    resumes. Threshold and temperature are those that training chose on the validation split.
    Exit code 5: the hold-out was altered, or an image was used for training; 8: no detector, an
    altered one, or an outside one that gives no probabilities.

    Examples:
        python -m validation
        python -m validation --model faces-1 --against faces-2
        python -m validation --data folder/of/images --drop-known
    """

    model: Basic[Path | None] = None
    """Name or folder of a saved detector, or of a data set for the newest detector trained on it; \
without it, your newest."""

    dataset: Basic[Path | None] = None
    """Folder or name of the data set that the detector was trained on, if it has moved."""

    data: Basic[Path | None] = None
    """Use these images instead of the hold-out: another data set, or a folder with the subfolders \
`real` and `generated` (one of them is enough; folders inside them are sources)."""

    label: Basic[ImageClass | None] = None
    """Class of all images of --data, for a folder without those subfolders."""

    facts: Basic[Path | None] = None
    """CSV about the images: a column `file`, `path` or `sha256`, and any others, such as \
skin_tone, age, sex or camera. Metrics are broken down by each, and gaps in false alarms between \
its values have intervals."""

    drop_known: Advanced[bool] = False
    """Leave out images of --data that were used for training, instead of ending with exit code \
5."""

    against: Basic[Annotated[Path | None, Metavar("DETECTOR")]] = None
    """Second detector, scored on the same images: name or folder of a saved one, or an outside \
one: `other.onnx`, `scores.csv` (columns `sha256` or `path`, and `probability`), or \
`module:function`, from a list of paths to their probabilities of generated. A function is code, \
run only because you name it."""

    distorted: Advanced[int] = 240
    """Number of images to distort (JPEG, shrinking, blur, ... in over 40 ways); 0 for none."""

    explained: Advanced[int] = 64
    """Number of images to draw and check heat maps for; 0 for no explanations at all."""

    projection: Advanced[Literal["t-sne", "umap"]] = "t-sne"
    """Method of the map of the features; `umap` needs `pip install -r requirements-umap.txt`."""

    pictures: Output[bool] = True
    """Images of the data set in the report. --no-pictures writes the report, the runs for \
TensorBoard and the heat-map data without any picture of it and without the names of its files."""

    predictions_out: Output[Path | None] = None
    """CSV file for the probability that every detector gives each image, with its hash, class and \
split; --against reads it."""

    report: Output[Path | None] = None
    """Folder of the report; without it, `report` beside the model, or `report-NAME` for --data."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    logs: Folders[Path] = workspace.LOGS_FOLDER
    """Folder for TensorBoard."""

    def __post_init__(self) -> None:
        options.check_ranges(self, distorted=(0, 100_000), explained=(0, 10_000))
        if self.label and self.data is None:
            raise ValueError("--label gives the class of the images of --data. Give --data, too.")
        if self.predictions_out and self.predictions_out.is_dir():
            raise ValueError(
                f"--predictions-out is the folder {self.predictions_out}. Give a file, such as "
                "scores.csv."
            )
