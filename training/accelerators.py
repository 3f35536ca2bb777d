"""Train on several GPUs and in bfloat16 where the GPUs allow it; halve batches that do not fit."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from data_collection.diffusion import compute_device
from runtime import console

if TYPE_CHECKING:
    import keras

Precision = Literal["auto", "float32", "mixed_bfloat16"]

MIN_BFLOAT16_CAPABILITY = (8, 0)
"""CUDA compute capability from which GPUs multiply bfloat16 faster than float32 (Ampere)."""


def distribute_over_gpus(devices: Sequence[str] | None = None) -> contextlib.AbstractContextManager:
    """Return a context in which models are made and trained on all GPUs, batches divided evenly.

    It does nothing with fewer than two GPUs, or with another backend than TensorFlow.

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
    """Return the Keras dtype policy; "auto" means bfloat16 if every GPU is fast with it."""
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
    """Let these layers calculate by a dtype policy in the context; weights stay float32."""
    original = [(layer, layer.dtype_policy) for layer in layers]
    try:
        for layer, _ in original:
            layer.dtype_policy = policy
        yield
    finally:
        for layer, original_policy in original:
            layer.dtype_policy = original_policy


def halve_batches_on_memory_error(
    run: Callable[[np.ndarray], np.ndarray],
) -> Callable[[np.ndarray], np.ndarray]:
    """Return `run` for batches of any size.

    A batch that does not fit into memory is halved until it does, and later ones are never larger.

    Raises:
        PlainError: a single image does not fit.
    """
    max_images = sys.maxsize

    def run_in_parts(batch: np.ndarray) -> np.ndarray:
        nonlocal max_images
        while True:
            size = min(max_images, len(batch))
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
                    "A single image does not fit into memory. End other programs that use it, or "
                    "use a CPU."
                )
            max_images = size // 2
            console.print_warning(
                f"{size} images at a time do not fit into memory; continuing with {max_images}."
            )

    return run_in_parts


def predict_on_batch(
    model: "keras.Model", batch: np.ndarray | list[np.ndarray]
) -> list[np.ndarray]:
    """Return every output of a model, (n, ...), for one batch of n images.

    With several devices each predicts the whole batch; the first one's predictions are returned.
    """
    count = len(batch[0] if isinstance(batch, list) else batch)
    return [np.asarray(output)[:count] for output in _as_list(model.predict_on_batch(batch))]


def call_once(model: "keras.Model", batch: np.ndarray) -> list[np.ndarray]:
    """Return every output of a model, (n, ...), for one batch of n rows, without compiling it.

    For a few calls that is faster; for many, `predict_on_batch` is.
    """
    import keras

    return [keras.ops.convert_to_numpy(output) for output in _as_list(model(batch, training=False))]


def _as_list(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else [outputs]
