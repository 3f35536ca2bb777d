"""Settings of `python -m detection export`; the docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime import options
from runtime.command_lines.option_groups import Basic, Folders
from runtime.commands import workspace

FormatName = Literal["onnx", "litert", "savedmodel", "openvino", "keras"]


@dataclass(frozen=True)
class ExportSettings:
    """Export a saved detector to other runtimes, and check that every file gives its
    probabilities.

    Every file takes pixels as float32 of 0 to 255, (n, side, side, 3), and gives the calibrated
    probability of *generated*, (n, 1). Only the scaling of pixels is inside: `telltale.prepare`
    makes an image's pixels, and its probability is the sigmoid of their mean logit. Each file
    contains threshold, abstention band and classes, and export.json lists all files. A file whose
    probabilities differ by more than 0.0001 on 64 images is not written. Exit code 8: the detector
    is missing or was altered, or a file differs.

    Examples:
        python -m detection export
        python -m detection export --model faces-1 --to onnx litert
    """

    model: Basic[Path | None] = None
    """Name or folder of a saved detector, or of a data set for the newest detector trained on it; \
default: the one that `python -m detection models` says answers."""

    to: Basic[tuple[FormatName, ...]] = ("onnx",)
    """Formats: `onnx` (ONNX Runtime), `litert` (phones, once TensorFlow Lite), `savedmodel` \
(TensorFlow Serving), `openvino` (Intel) and `keras`. litert and openvino need `pip install -r \
requirements-export.txt`."""

    out: Basic[Path | None] = None
    """Folder to write to; default: `export` in the detector's folder. Earlier exports in it are \
replaced, other files are not."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    def __post_init__(self) -> None:
        options.check_unique_values("to", self.to, "format")
