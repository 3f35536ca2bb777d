"""Heads trained together, their features on the device."""

import numpy as np

from benchmarks.gpu_parts.device import (
    ComputeMode,
    Workload,
    list_modes,
    measure_median_seconds,
    use_policy,
)
from benchmarks.measuring import Measurement

WIDTH, HEADS = 5632, 16
ROWS_PER_IMAGE, BATCHES = 4, 20


def measure(workload: Workload) -> list[Measurement]:
    """Measure rows per second of linear heads trained as one matrix."""
    modes = workload.iterate_while_time(list_modes())
    return [_measure_mode(mode, ROWS_PER_IMAGE * workload.batch) for mode in modes]


def _measure_mode(mode: ComputeMode, batch: int) -> Measurement:
    import keras

    with use_policy(mode.policy):
        inputs = keras.Input((WIDTH,))
        model = keras.Model(inputs, keras.layers.Dense(HEADS)(inputs))
    model.compile(
        keras.optimizers.AdamW(1e-3),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=mode.xla,
    )
    rng, rows = np.random.default_rng(0), BATCHES * batch
    x = keras.ops.convert_to_tensor(rng.normal(size=(rows, WIDTH)).astype(np.float32))
    y = keras.ops.convert_to_tensor((rng.random((rows, HEADS)) < 0.5).astype(np.float32))
    seconds = measure_median_seconds(
        lambda: [
            model.train_on_batch(x[start : start + batch], y[start : start + batch])
            for start in range(0, rows, batch)
        ]
    )
    return Measurement(
        f"{HEADS} linear heads on {WIDTH} features, batches of {batch}, {mode.name}",
        HEADS * rows / seconds,
        "rows/s",
    )
