"""Refuse a base that the free memory cannot hold, before the system ends the program."""

from pathlib import Path

from runtime import console
from training.bases.tower_presets import TOWER_PRESETS

BYTES_PER_WEIGHT = 20
"""Float32 weights, five times: as read, in Keras, and while they are exported and opened again."""

COPIES_OF_DETECTOR = 3
"""A detector of 345 MB on a vision transformer judges a photo in 1.1 GB."""

MEMORY_FILE = Path("/proc/meminfo")
"""Only Linux has it; elsewhere nothing is refused."""


def check_memory(base: str) -> None:
    """Raise PlainError if the free memory cannot hold a vision transformer.

    The other bases need less than the program around them.
    """
    if base in TOWER_PRESETS:
        needed = BYTES_PER_WEIGHT * TOWER_PRESETS[base].tower.count_weights()
        _check_free_bytes(base, needed, "choose a smaller one: --bases mobilenet_v2")


def check_detector_memory(name: str, size: int) -> None:
    """Raise PlainError if the free memory cannot hold a detector.

    Args:
        size: of its model file, in bytes.
    """
    _check_free_bytes(name, COPIES_OF_DETECTOR * size, "use a smaller one: --model telltale-faces")


def _check_free_bytes(name: str, needed: int, alternative: str) -> None:
    free = _read_free_bytes()
    if free is not None and needed > free:
        raise console.PlainError(
            f"{name} needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
            f"free. Close other programs, or {alternative}."
        )


def _read_free_bytes() -> int | None:
    try:
        lines = MEMORY_FILE.read_text().splitlines()
        values = dict(line.split(":", 1) for line in lines)
        return 1024 * int(values["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError, IndexError):
        return None
