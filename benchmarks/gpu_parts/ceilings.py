"""The limits of a device: products of matrices at each precision, and a copy."""

import numpy as np

from benchmarks.gpu_parts.device import POLICIES, Workload, measure_median_seconds
from benchmarks.measuring import Measurement


def measure(workload: Workload) -> list[Measurement]:
    """Measure the limits, and keep the products in `workload.ceilings`."""
    import keras

    side = workload.matrix_side
    matrix = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    on_device = keras.ops.convert_to_tensor(matrix)
    measurements = []
    for policy in POLICIES:
        factor = keras.ops.cast(on_device, keras.DTypePolicy(policy).compute_dtype)
        seconds = measure_median_seconds(lambda factor=factor: keras.ops.matmul(factor, factor))
        workload.ceilings[policy] = 2 * side**3 / seconds / 1e12
        measurements.append(
            Measurement(f"matrix product, {policy}", workload.ceilings[policy], "TFLOP/s")
        )
    seconds = measure_median_seconds(lambda: on_device + 1)
    return [*measurements, Measurement("copy", 2 * matrix.nbytes / seconds / 1e9, "GB/s")]
