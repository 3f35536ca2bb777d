"""FORMATS: one row per format that a detector is exported to."""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from data_collection import console
from detection import export_readers, export_writers
from detection.export_source import Source
from training import onnx_files
from training.onnx_files import Runner


@dataclass(frozen=True)
class Format:
    """A row of the table.

    Attributes:
        file: name of the file or folder that other programs open.
        write: writes it, and what belongs beside it.
        read: opens it, as a function from pixels (n, side, side, 3) to probabilities of *generated*, (n, 1).
        beside: names of what is written beside the file.
        module: what must be installed on top of requirements.txt, as it is imported; empty for nothing.
        note: what a reader must know to get these numbers.
    """

    file: str
    write: Callable[[Source, Path], None]
    read: Callable[[Path], Runner]
    beside: tuple[str, ...] = ()
    module: str = ""
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Of everything that is written, the file that others open last."""
        return *self.beside, self.file


FORMATS = {
    "onnx": Format("detector.onnx", export_writers.write_onnx, onnx_files.runner),
    "litert": Format(
        "detector.tflite",
        export_writers.write_litert,
        export_readers.read_litert,
        module="ai_edge_litert",
        note="unzip -p detector.tflite telltale.json shows what travels with it",
    ),
    "savedmodel": Format("savedmodel", export_writers.write_savedmodel, export_readers.read_savedmodel),
    "openvino": Format(
        "detector.xml",
        export_writers.write_openvino,
        export_readers.read_openvino,
        beside=("detector.bin",),
        module="openvino",
        note="compile it with INFERENCE_PRECISION_HINT f32, or some CPUs calculate in bfloat16 and give other probabilities",
    ),
    "keras": Format("detector.keras", export_writers.write_keras, export_readers.read_keras, beside=("detector.json",)),
}


def installed(row: Format) -> bool:
    return not row.module or importlib.util.find_spec(row.module) is not None


def check_installed(names: Iterable[str]) -> None:
    """Raises PlainError: what a format needs is missing."""
    for name in names:
        if not installed(FORMATS[name]):
            package = FORMATS[name].module.replace("_", "-")
            raise console.PlainError(
                f"--to {name} needs {package}: pip install -r requirements-export.txt, or leave {name} out."
            )
