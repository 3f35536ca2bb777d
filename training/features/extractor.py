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
from training import accelerators
from training.bases import loaded_base
from training.bases.weights import BaseWeights
from training.features import layout
from training.features.layout import Column
from training.onnx_files import onnx_export, onnx_models

if TYPE_CHECKING:
    import keras

FeatureEngine = Literal["auto", "onnxruntime", "keras", "ray"]

FEATURE_LAYOUT_VERSION = 1
"""Part of every feature's key.

Raise it with every change to the preprocessing, taps or signals of a base, or to the pooling.
"""

CPU_FEATURE_BATCH_IMAGES, GPU_FEATURE_BATCH_IMAGES = onnx_models.IMAGES_PER_CORE, 64
"""Larger batches are no faster on a CPU; at 448 px, 32 images would hold 600 MB in one layer."""


class Extractor:
    """A base with all its taps, ready to run.

    Args:
        sizes: input sizes of the base in pixels.
        side: of the images that `run` takes, in pixels.
        engine: "auto" for Keras on a GPU and ONNX Runtime elsewhere.
        n_cores: to run on; None for all.

    Attributes:
        name: of the cache's folder; it contains a digest of all that determines a feature.
        columns: of the feature vector.
        width: length of the feature vector.
        run: from pixels, float32 (n, side, side, 3), to features (n, width).
    """

    def __init__(
        self,
        weights: BaseWeights,
        sizes: Sequence[int],
        side: int,
        engine: FeatureEngine = "auto",
        signals: Sequence[str] = ("picture",),
        n_cores: int | None = None,
    ):
        self.weights = weights
        self.sizes = tuple(sizes)
        self.side = side
        self.signals = tuple(signals)
        self.n_cores = n_cores
        self.engine = ("keras" if _has_gpu() else "onnxruntime") if engine == "auto" else engine
        self.name = self._make_name([*self.make_identity(), *list_engine_versions(self.engine)])
        open_engine = self._open_keras if self.engine == "keras" else self._open_onnx
        self.columns, self.run = open_engine()
        self.width = self.columns[-1].stop

    def make_identity(self) -> list:
        """Return what determines a feature, besides the image and the libraries.

        A change of any of it makes a new key, so old features are not read.
        """
        key = [self.weights.base, self.weights.sha256, self.sizes, self.side]
        return [
            *key,
            canonical.CANONICALISER_VERSION,
            canonical.DECODER_VERSION,
            FEATURE_LAYOUT_VERSION,
            self.signals,
        ]

    def _make_name(self, key: list) -> str:
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
        return f"{self.weights.base}-{'+'.join(map(str, self.sizes))}-{digest}"

    def build_model(self) -> tuple["keras.Model", list[Column]]:
        """Build the base from pixels to features in Keras; return it and the features' columns."""
        base = loaded_base.load_base(self.weights)
        columns = layout.list_columns(base, self.sizes, self.signals)
        return layout.build_extractor_model(base, self.sizes, self.side, self.signals), columns

    def _open_keras(self) -> tuple[list[Column], Callable[[np.ndarray], np.ndarray]]:
        model, columns = self.build_model()
        return columns, accelerators.halve_batches_on_memory_error(model.predict_on_batch)

    @property
    def batch_size(self) -> int:
        """Images to give to `run` at a time."""
        return (
            GPU_FEATURE_BATCH_IMAGES
            if self.engine == "keras" and _has_gpu()
            else CPU_FEATURE_BATCH_IMAGES
        )

    @property
    def onnx_path(self) -> Path:
        name = self._make_name(self.make_identity())
        return package_index.cache_folder() / "extractors" / f"{name}.onnx"

    def _open_onnx(self) -> tuple[list[Column], Callable[[np.ndarray], np.ndarray]]:
        notes_path = self.onnx_path.with_suffix(".json")
        if not _is_intact_export(self.onnx_path, notes_path):
            self._export_onnx(notes_path)
        columns = [Column(**column) for column in json.loads(notes_path.read_bytes())["columns"]]
        return columns, onnx_models.open_onnx_streams(self.onnx_path, self.n_cores)

    def _export_onnx(self, notes_path: Path) -> None:
        """Write the ONNX file, and its hash and columns as JSON to `notes_path`.

        Raises:
            PlainError: ONNX Runtime and Keras differ too much.
        """
        console.print_message(f"Exporting {self.name} for ONNX Runtime (once).")
        model, columns = self.build_model()
        self.onnx_path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.onnx_path.with_name(f".{os.getpid()}-{self.onnx_path.name}")
        try:
            difference = onnx_export.export_checked_onnx(model, temporary, "Use --engine keras.")
            digest = hashing.hash_file(temporary)
            os.replace(temporary, self.onnx_path)
        finally:
            temporary.unlink(missing_ok=True)
        content = {
            "sha256": digest,
            "parity": difference,
            "columns": [asdict(column) for column in columns],
        }
        atomic_files.write_atomically(notes_path, json.dumps(content).encode())


def list_engine_versions(engine: str) -> list[str]:
    """Return the versions of the libraries that a feature depends on.

    Pillow decodes and resizes; every engine adds up in an order of its own.
    """
    names = ("pillow", "keras", "tensorflow") if engine == "keras" else ("pillow", "onnxruntime")
    return [
        f"{name} {version}"
        for name, version in library_versions.get_library_versions().items()
        if name in names
    ]


def _has_gpu() -> bool:
    import keras

    return bool(keras.distribution.list_devices("gpu"))


def _is_intact_export(path: Path, notes_path: Path) -> bool:
    try:
        notes = checked_json.parse_json(notes_path.read_bytes())
        return notes["sha256"] == hashing.hash_file(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False
