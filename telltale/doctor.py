"""`telltale doctor`: print what is installed, fetched and free; clear Telltale's cache."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from detection.models import answering
from runtime import console, package_index
from runtime.command_lines import parsing
from runtime.library_versions import read_version
from telltale.settings import DoctorSettings

PACKAGES = {
    "onnxruntime": "judging",
    "tensorflow": "training",
    "keras": "training",
    "keras-tuner": "training",
    "torch": "generating faces",
    "diffusers": "generating faces",
    "openai": "prompts by GPT",
    "kagglehub": "photographs from Kaggle",
    "keras-hub": "bases of keras-hub",
    "c2pa-python": "content credentials",
    "ray": "training on a cluster",
    "s3fs": "buckets",
}
"""Use of each package that a person may want to know about."""

LIBRARY_CACHES = {
    "Keras' cache": Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras"),
    "Hugging Face's cache": Path(
        os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    ),
    "Kaggle's cache": Path(
        os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub"
    ),
}
"""Folders where libraries keep weights and data sets; only listed, never cleared."""

SYSTEM_QUERY_TIMEOUT_S = 10
BYTES_PER_GB = 1e9


def run_doctor_command(arguments: Sequence[str]) -> int:
    """Run `telltale doctor` and return its exit code."""
    settings = parsing.parse_settings(DoctorSettings, "telltale doctor", arguments)
    cache = package_index.cache_folder()
    if settings.clear_cache:
        size = measure_folder_bytes(cache)
        shutil.rmtree(cache, ignore_errors=True)
        console.print_message(f"Deleted {size / BYTES_PER_GB:.1f} GB in {cache}.")
    rows = [*list_system_rows(cache), *list_package_rows(), *list_detector_rows(settings)]
    console.print_table(f"telltale {read_version()}", ("", "found", ""), rows)
    return 0


def list_system_rows(cache: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of Python, disk, cache and GPU."""
    yield "Python", platform.python_version(), f"{platform.system()} {platform.machine()}"
    free = shutil.disk_usage(Path.cwd()).free / BYTES_PER_GB
    yield "disk", f"{free:.0f} GB free", "in this folder"
    for name, folder in {"Telltale's cache": cache, **LIBRARY_CACHES}.items():
        yield name, f"{measure_folder_bytes(folder) / BYTES_PER_GB:.1f} GB", str(folder)
    yield "GPU", *find_gpu()


def find_gpu() -> tuple[str, str]:
    """Return the name of the NVIDIA GPU and its free memory, as its driver says."""
    try:
        query = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=SYSTEM_QUERY_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "none", "no NVIDIA driver answers; training and judging use the processor"
    if query.returncode or not query.stdout.strip():
        return "none", "the NVIDIA driver reports no GPU; training and judging use the processor"
    name, _, memory = query.stdout.strip().splitlines()[0].partition(", ")
    return name, f"{memory} free"


def list_package_rows() -> Iterator[tuple[str, str, str]]:
    """Yield the version of each package of the table."""
    for package, use in PACKAGES.items():
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        yield package, version, use


def list_detector_rows(settings: DoctorSettings) -> Iterator[tuple[str, str, str]]:
    """Yield the detector that answers when none is named."""
    try:
        detector = answering.find_answering_detector(settings.saved_models)
    except console.PlainError as error:
        yield "detector", "none", str(error)
        return
    yield "detector", detector.folder.name, detector.reason


def measure_folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder, in bytes; 0 if there is no such folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
