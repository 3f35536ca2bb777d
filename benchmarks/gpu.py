"""Measure extraction, heads, fine-tuning and diffusion on a GPU, and the limits of the card.

Run `python -m benchmarks.gpu`, with Keras on TensorFlow, JAX or PyTorch (`KERAS_BACKEND=jax`).
Where XLA can be switched, both settings are measured. Without a GPU it says so and measures the
CPU, with less work. Weights are random: they take as long as trained ones. A part that fails, or
for which no time is left, is told in a sentence, and the others are measured.
"""

import importlib
import time
from typing import Literal

import tyro

from benchmarks.gpu_parts import device
from benchmarks.gpu_parts.device import Workload
from benchmarks.measuring import Measurement, explain_failure, print_measurements
from runtime import console
from training import keras_startup

PARTS = {
    "What the device can do": "ceilings",
    "The same as on the CPU": "parity",
    "A batch of heads": "heads",
    "Diffusion": "diffusion",
    "Bases": "bases",
}
"""Modules of `gpu_parts`; their libraries are imported when their turn has come."""

PartName = Literal["ceilings", "parity", "heads", "bases", "diffusion"]
BACKENDS = (*keras_startup.SUPPORTED_BACKENDS, "torch")
GPU_BATCH, GPU_MATRIX_SIDE = 256, 8192
CPU_BATCH, CPU_MATRIX_SIDE = 8, 1024


def main(
    batch: int | None = None,
    bases: tuple[str, ...] = ("mobilenet_v2", "xception"),
    minutes: float = 6,
    parts: tuple[PartName, ...] = tuple(PARTS.values()),
) -> int:
    """Measure the device that Keras runs on.

    Args:
        batch: images in a batch; default: 256 on a GPU, 8 without one.
        bases: bases whose features are extracted and which are fine-tuned.
        minutes: time after which nothing further begins.
        parts: what to measure; the ceilings before whatever is compared with them.

    Returns:
        The exit code: 1 if a part failed or was not begun for lack of time.
    """
    keras_startup.start_keras(BACKENDS)
    import keras

    gpu = device.find_gpu()
    name = gpu or "the CPU: no GPU was found"
    console.print_heading(f"Keras {keras.__version__} on {keras.backend.backend()}, {name}")
    workload = Workload(
        batch=batch or (GPU_BATCH if gpu else CPU_BATCH),
        matrix_side=GPU_MATRIX_SIDE if gpu else CPU_MATRIX_SIDE,
        bases=bases,
        end=time.monotonic() + 60 * minutes,
    )
    chosen = [title for title, part in PARTS.items() if part in parts]
    results = [_measure_part(title, workload) for title in workload.iterate_while_time(chosen)]
    return 0 if all(results) and len(results) == len(chosen) else 1


def _measure_part(title: str, workload: Workload) -> bool:
    """Measure one part and print its table; return whether that went well."""
    start = time.monotonic()
    try:
        rows = importlib.import_module(f"benchmarks.gpu_parts.{PARTS[title]}").measure(workload)
    except Exception as error:  # the other parts are worth as much
        console.print_message(f"{title}: failed, {explain_failure(error)}; the others go on.")
        return False
    rows.append(Measurement("seconds of this part", time.monotonic() - start, "s"))
    if (peak := device.read_peak_gigabytes()) is not None:
        rows.append(Measurement("peak memory of the GPU so far", peak, "GB"))
    print_measurements(title, rows)
    return True


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.gpu"))
