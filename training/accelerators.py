"""Several GPUs, and layers that calculate with numbers of half the width, where there are such
GPUs."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from data_collection.diffusion import compute_device
from runtime import console

if TYPE_CHECKING:
    import keras

Precision = Literal["auto", "float32", "mixed_bfloat16"]

MIN_BFLOAT16_CAPABILITY = (8, 0)
"""CUDA compute capability from which GPUs multiply bfloat16 faster than float32 (Ampere)."""


def distribute_over_gpus(devices: Sequence[str] | None = None) -> contextlib.AbstractContextManager:
    """Models made and trained within it train on all GPUs, each with its share of a batch.

    Does nothing where there is one GPU or none, or another backend than TensorFlow.

    Args:
        devices: such as "GPU:0"; None for every GPU.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    devices = devices or [device.name for device in tf.config.list_logical_devices("GPU")]
    return (
        tf.distribute.MirroredStrategy(devices).scope()
        if len(devices) > 1
        else contextlib.nullcontext()
    )


def choose_dtype_policy(precision: Precision) -> str:
    """The Keras dtype policy to calculate with: for "auto" bfloat16 where every GPU is fast with
    it, else float32."""
    if precision != "auto":
        return precision
    import keras

    if keras.backend.backend() != "tensorflow":
        return "float32"
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    fast = gpus and all(
        gpu.get("compute_capability", (0, 0)) >= MIN_BFLOAT16_CAPABILITY for gpu in gpus
    )
    return "mixed_bfloat16" if fast else "float32"


@contextlib.contextmanager
def use_dtype_policy(layers: Iterable["keras.Layer"], policy: str) -> Iterator[None]:
    """These layers calculate by a dtype policy for as long as it lasts; their weights are float32
    before and after."""
    before = [(layer, layer.dtype_policy) for layer in layers]
    try:
        for layer, _ in before:
            layer.dtype_policy = policy
        yield
    finally:
        for layer, old in before:
            layer.dtype_policy = old


def halve_batches_on_memory_error(
    run: Callable[[np.ndarray], np.ndarray],
) -> Callable[[np.ndarray], np.ndarray]:
    """The same for batches of any size: one that does not fit into memory is halved, and no later
    one is larger than that.

    Raises:
        PlainError: a single picture does not fit.
    """
    most = sys.maxsize

    def in_parts(batch: np.ndarray) -> np.ndarray:
        nonlocal most
        while True:
            size = min(most, len(batch))
            try:
                return np.concatenate(
                    [
                        np.asarray(run(batch[start : start + size]))
                        for start in range(0, len(batch), size)
                    ]
                )
            except Exception as error:
                if not compute_device.is_out_of_memory(error):
                    raise
            if size == 1:
                raise console.PlainError(
                    "A single picture does not fit into memory; end what else runs there, or use a CPU."
                )
            most = size // 2
            console.print_warning(
                f"{size} pictures at a time do not fit into memory; going on with {most}."
            )

    return in_parts


def predict_on_batch(
    model: "keras.Model", batch: np.ndarray | list[np.ndarray]
) -> list[np.ndarray]:
    """Every output of a model, (n, ...), for one batch of n; of several devices all answer for all
    of it, and one is heard."""
    outputs = model.predict_on_batch(batch)
    count = len(batch[0] if isinstance(batch, list) else batch)
    return [
        np.asarray(output)[:count]
        for output in (outputs if isinstance(outputs, list) else [outputs])
    ]
