"""Run a frozen base with all its taps, in ONNX Runtime on a CPU or in Keras on a GPU."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from data_collection.images import canonical
from runtime import atomic_files, checked_json, console, hashing, library_versions, package_index
from training import accelerators, onnx_models
from training.bases import loaded_base
from training.bases.weights import BaseWeights
from training.features import layout
from training.features.layout import Column

if TYPE_CHECKING:
    import keras


FeatureEngine = Literal["auto", "onnxruntime", "keras", "ray"]


FEATURE_LAYOUT_VERSION = 1


# Larger batches are no faster on a CPU, and at 448 px a batch of 32 would hold 600 MB in one
# layer's output.
CPU_FEATURE_BATCH_IMAGES, GPU_FEATURE_BATCH_IMAGES = onnx_models.IMAGES_PER_CORE, 64


class Extractor:
    """A base with all its taps, ready to run: `width`, `columns`, and `run(pixels) -> features`."""

    def __init__(
        self,
        weights: BaseWeights,
        sizes: Sequence[int],
        side: int,
        engine: FeatureEngine = "auto",
        signals: Sequence[str] = ("picture",),
        cores: int | None = None,
    ):
        self.weights = weights
        self.sizes = tuple(sizes)
        self.side = side
        self.signals = tuple(signals)
        self.cores = cores
        self.engine = ("keras" if _has_gpu() else "onnxruntime") if engine == "auto" else engine
        self.name = self._called([*self.identity(), *list_engine_versions(self.engine)])
        self.columns, self.run = self._keras() if self.engine == "keras" else self._onnx()
        self.width = self.columns[-1].stop

    def identity(self) -> list:
        """Return what determines a feature, besides the image and the libraries: change any of it and nothing
        old is read."""
        what = [self.weights.base, self.weights.sha256, self.sizes, self.side]
        return [*what, canonical.CANONICALISER_VERSION, FEATURE_LAYOUT_VERSION, self.signals]

    def _called(self, what: list) -> str:
        digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
        return f"{self.weights.base}-{'+'.join(map(str, self.sizes))}-{digest}"

    def model(self) -> tuple["keras.Model", list[Column]]:
        base = loaded_base.load_base(self.weights)
        columns = layout.list_columns(base, self.sizes, self.signals)
        return layout.build_extractor_model(base, self.sizes, self.side, self.signals), columns

    def _keras(self) -> tuple[list[Column], Callable[[np.ndarray], np.ndarray]]:
        model, columns = self.model()
        return columns, accelerators.halve_batches_on_memory_error(model.predict_on_batch)

    @property
    def batch(self) -> int:
        """Pictures that it is given at a time."""
        return (
            GPU_FEATURE_BATCH_IMAGES
            if self.engine == "keras" and _has_gpu()
            else CPU_FEATURE_BATCH_IMAGES
        )

    @property
    def onnx_path(self) -> Path:
        return package_index.cache_folder() / "extractors" / f"{self._called(self.identity())}.onnx"

    def _onnx(self) -> tuple[list[Column], Callable[[np.ndarray], np.ndarray]]:
        notes = self.onnx_path.with_suffix(".json")
        if not _is_intact_export(self.onnx_path, notes):
            self._export(notes)
        columns = [Column(**column) for column in json.loads(notes.read_bytes())["columns"]]
        return columns, onnx_models.open_onnx_streams(self.onnx_path, self.cores)

    def _export(self, notes: Path) -> None:
        console.print_message(f"Exporting {self.name} for ONNX Runtime (once).")
        model, columns = self.model()
        self.onnx_path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.onnx_path.with_name(f".{os.getpid()}-{self.onnx_path.name}")
        try:
            onnx_models.export_onnx(model, temporary)
            difference = onnx_models.measure_parity(model, temporary)
            if difference > onnx_models.MAX_PARITY_ERROR:
                raise console.PlainError(
                    f"ONNX Runtime and Keras differ by {difference:.1e} on {self.name}; use --engine keras."
                )
            digest = hashing.hash_file(temporary)
            os.replace(temporary, self.onnx_path)
        finally:
            temporary.unlink(missing_ok=True)
        content = {
            "sha256": digest,
            "parity": difference,
            "columns": [asdict(column) for column in columns],
        }
        atomic_files.write_atomically(notes, json.dumps(content).encode())


def list_engine_versions(engine: str) -> list[str]:
    """List the versions of the libraries that a feature depends on: Pillow decodes and resizes, the engine adds up
    in an order of its own."""
    names = ("pillow", "keras", "tensorflow") if engine == "keras" else ("pillow", "onnxruntime")
    return [
        f"{name} {version}"
        for name, version in library_versions.get_library_versions().items()
        if name in names
    ]


def _has_gpu() -> bool:
    import keras

    return bool(keras.distribution.list_devices("gpu"))


def _is_intact_export(path: Path, notes: Path) -> bool:
    try:
        return checked_json.parse_json(notes.read_bytes())["sha256"] == hashing.hash_file(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False
