"""EXPORT_FORMATS: one row per export format."""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from detection.export import readers, writers
from detection.export.exported_detector import ExportSource
from runtime import console
from training.onnx_files import onnx_models
from training.onnx_files.onnx_models import OnnxRunner


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A row of the table.

    Attributes:
        file: name of the file or folder that other programs open.
        write: writes it and its companion files.
        read: opens it as a function from pixels (n, side, side, 3) to probabilities of
            *generated*, (n, 1).
        companion_files: names of the files written beside it.
        required_module: import name of a package beyond requirements.txt; empty for none.
        note: what users must know to get these probabilities.
    """

    file: str
    write: Callable[[ExportSource, Path], None]
    read: Callable[[Path], OnnxRunner]
    companion_files: tuple[str, ...] = ()
    required_module: str = ""
    note: str = ""

    @property
    def written_names(self) -> tuple[str, ...]:
        """Names of everything that is written, the main file last."""
        return *self.companion_files, self.file


EXPORT_FORMATS = {
    "onnx": ExportFormat(
        file="detector.onnx", write=writers.write_onnx, read=onnx_models.open_onnx
    ),
    "litert": ExportFormat(
        file="detector.tflite",
        write=writers.write_litert,
        read=readers.read_litert,
        required_module="ai_edge_litert",
        note="unzip -p detector.tflite telltale.json shows its metadata",
    ),
    "savedmodel": ExportFormat(
        file="savedmodel", write=writers.write_savedmodel, read=readers.read_savedmodel
    ),
    "openvino": ExportFormat(
        file="detector.xml",
        write=writers.write_openvino,
        read=readers.read_openvino,
        companion_files=("detector.bin",),
        required_module="openvino",
        note="compile it with INFERENCE_PRECISION_HINT f32; otherwise some CPUs calculate in "
        "bfloat16 and give other probabilities",
    ),
    "keras": ExportFormat(
        file="detector.keras",
        write=writers.write_keras,
        read=readers.read_keras,
        companion_files=("detector.json",),
    ),
}


def is_format_installed(export_format: ExportFormat) -> bool:
    module = export_format.required_module
    return not module or importlib.util.find_spec(module) is not None


def check_formats_installed(names: Iterable[str]) -> None:
    """Check that the packages of the formats are installed.

    Raises:
        PlainError: one is missing.
    """
    for name in names:
        if not is_format_installed(EXPORT_FORMATS[name]):
            package = EXPORT_FORMATS[name].required_module.replace("_", "-")
            raise console.PlainError(
                f"--to {name} needs {package}. Run pip install -r requirements-export.txt, or "
                f"leave {name} out."
            )
