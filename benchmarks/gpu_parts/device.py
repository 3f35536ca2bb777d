"""The device that Keras runs on: its name, its memory, precisions, and how work on it is timed."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from data_collection.diffusion import compute_device
from runtime import console

TIMED_TURNS = 5
POLICIES = ("float32", "mixed_bfloat16")

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ComputeMode:
    """Keras' dtype policy, and whether XLA compiles the model."""

    policy: str
    xla: bool

    @property
    def name(self) -> str:
        return f"{self.policy}{', XLA' if self.xla else ''}"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Sizes of what is measured.

    Attributes:
        batch: images in a batch.
        matrix_side: side of the square matrices whose product is the upper limit.
        bases: bases whose features are extracted and which are fine-tuned.
        end: reading of time.monotonic after which nothing further begins.
        ceilings: products of matrices per precision, in TFLOP/s, once they are measured.
    """

    batch: int
    matrix_side: int
    bases: tuple[str, ...]
    end: float = math.inf
    ceilings: dict[str, float] = field(default_factory=dict)

    def iterate_while_time(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items until the time is over; say how many are left out."""
        left = list(items)
        while left and time.monotonic() < self.end:
            yield left.pop(0)
        if left:
            console.print_message(f"The time is over: {len(left)} left out; give more --minutes.")


def find_gpu() -> str:
    """Return the name of the GPU that Keras uses; an empty string if there is none."""
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    if backend == "jax":
        import jax

        return next((d.device_kind for d in jax.devices() if d.platform == "gpu"), "")
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return next((d.get("device_name", "GPU") for d in details), "")


def list_modes() -> list[ComputeMode]:
    """Return precisions and XLA settings to measure: JAX always uses XLA, PyTorch has another
    compiler, and on a CPU it takes TensorFlow minutes."""
    import keras

    choices = {"tensorflow": (False, True) if find_gpu() else (False,), "jax": (True,)}
    xla_choices = choices.get(keras.backend.backend(), (False,))
    return [ComputeMode(*mode) for mode in itertools.product(POLICIES, xla_choices)]


@contextmanager
def use_policy(policy: str) -> Iterator[None]:
    """Build Keras' layers with this dtype policy."""
    import keras

    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def measure_median_seconds(work: Callable[[], object]) -> float:
    """Return the median over turns; the clock stops once the result of `work` is computed."""
    seconds = []
    for _ in range(TIMED_TURNS + 1):
        start = time.perf_counter()
        _wait_for_result(work())
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def _wait_for_result(result: object) -> None:
    import keras

    for tensor in keras.tree.flatten(result):
        if hasattr(tensor, "ndim"):
            np.asarray(keras.ops.convert_to_numpy(keras.ops.ravel(tensor)[:1]))


def fit_batch(batch: int, measure: Callable[[int], Result]) -> tuple[int, Result]:
    """Call `measure` with a batch, halved as often as the memory runs out.

    Returns:
        The batch that fitted, and what it returned.

    Raises:
        Exception: that of the backend, if not even one image fits.
    """
    while True:
        try:
            return batch, measure(batch)
        except Exception as error:  # each backend has types of its own
            if not compute_device.is_out_of_memory(error) or batch == 1:
                raise
        batch //= 2


def read_peak_gigabytes() -> float | None:
    """Return the largest memory of the GPU so far, in GB; None without a GPU."""
    import keras

    if not find_gpu():
        return None
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.max_memory_allocated() / 1e9
    if backend == "jax":
        import jax

        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 1e9
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e9
