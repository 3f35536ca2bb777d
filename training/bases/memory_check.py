"""Refuse a base that the free memory cannot hold, before the system ends the program."""

from pathlib import Path

from runtime import console
from training.bases.tower_presets import TOWER_PRESETS

BYTES_PER_WEIGHT = 20
"""Float32 weights, five times: as read, in Keras, and while they are exported and opened again."""

MEMORY_FILE = Path("/proc/meminfo")
"""Only Linux has it; elsewhere nothing is refused."""


def check_memory(base: str) -> None:
    """Raise PlainError if the free memory cannot hold a vision transformer.

    The other bases need less than the program around them.
    """
    free = _read_free_bytes()
    if base not in TOWER_PRESETS or free is None:
        return
    needed = BYTES_PER_WEIGHT * TOWER_PRESETS[base].tower.count_weights()
    if needed > free:
        raise console.PlainError(
            f"{base} needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are "
            "free. Close other programs, or choose a smaller one: --bases mobilenet_v2."
        )


def _read_free_bytes() -> int | None:
    try:
        lines = MEMORY_FILE.read_text().splitlines()
        values = dict(line.split(":", 1) for line in lines)
        return 1024 * int(values["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError, IndexError):
        return None
