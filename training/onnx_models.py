"""ONNX files: written from Keras models, compared with them, and run without TensorFlow."""

import concurrent.futures
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console, onnx_session
from training import accelerators

if TYPE_CHECKING:
    import keras

MAX_PARITY_ERROR = 1e-4
"""Largest difference that is let pass between ONNX Runtime and Keras, relative to the largest
output (at least 1)."""


def export_onnx(model: "keras.Model", path: Path) -> None:
    """Writes a Keras model of the TensorFlow backend as ONNX.

    tf2onnx copies every constant in each of its thirty passes: `model.export` takes 26 s and 7 GB
    for Xception. So the weights are arguments of the function that is converted, which takes 5 s
    and 0.5 GB, and become constants afterwards.
    """
    import logging

    import onnx
    import tensorflow as tf
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    trainable, variables = (
        len(model.trainable_variables),
        model.trainable_variables + model.non_trainable_variables,
    )
    weights = {f"weight{number}": variable for number, variable in enumerate(variables)}

    @tf.function(autograph=False)
    def call(pixels, *weights):
        return model.stateless_call(
            weights[:trainable], weights[trainable:], pixels, training=False
        )[0]

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="pixels")]
    signature += [
        tf.TensorSpec(weight.shape, weight.dtype, name=name) for name, weight in weights.items()
    ]
    proto, _ = tf2onnx.convert.from_function(
        call, signature, custom_op_handlers={"Erfc": (_convert_erfc, [])}
    )
    inputs = {value.name: value for value in proto.graph.input}
    # A Normalization keeps its mean beside the weights, and tf2onnx makes an input of it, too.
    constants = {
        inner.name: outer for outer, inner in call.get_concrete_function(*signature).graph.captures
    } | weights
    for name in filter(
        inputs.__contains__, constants
    ):  # those of a dropout or a metric are not used
        proto.graph.initializer.append(
            onnx.numpy_helper.from_array(np.asarray(constants[name]), name)
        )
        proto.graph.input.remove(inputs[name])
    onnx.save(proto, str(path))


def _convert_erfc(graph, node, name: str, _) -> None:
    """Convert erfc of TensorFlow's gelu: ONNX and tf2onnx have the error function alone, and 1 less it is the
    complementary one."""
    shape, kind = graph.get_shape(node.output[0]), graph.get_dtype(node.output[0])
    graph.remove_node(name)
    erf = graph.make_node("Erf", node.input, shapes=[shape], dtypes=[kind])
    one = graph.make_const(f"{name}_one", np.array(1, np.float32))
    graph.make_node(
        "Sub",
        [one.output[0], erf.output[0]],
        outputs=node.output,
        name=name,
        shapes=[shape],
        dtypes=[kind],
    )


IMAGES_PER_CORE = 4
"""Images that one core runs together; ONNX Runtime on one core is fastest with two to four."""

OnnxRunner = Callable[[np.ndarray], np.ndarray]


def open_onnx(path: Path | bytes, threads: int = 0) -> OnnxRunner:
    """Opens an ONNX file, or its bytes, of one input and one output; returns a function from
    float32 batch to float32 batch.

    Args:
        threads: for one batch; 0 for one on every core.
    """
    run = open_onnx_outputs(path, threads)
    return lambda batch: run(batch)[0]


def open_onnx_outputs(
    path: Path | bytes, threads: int = 0
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Like `runner`, for files with several outputs."""
    session = onnx_session.open_session(path, threads)
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})


def open_onnx_streams(path: Path, cores: int | None = None) -> OnnxRunner:
    """Like `runner`, for many images: every core runs single-threaded batches of PART, a tenth
    faster than together.

    No more than PART images run on the core that asks for them, so several may ask at the same
    time.

    Args:
        cores: as many as it takes; None for all.
    """
    run, pool = (
        open_onnx(path, threads=1),
        concurrent.futures.ThreadPoolExecutor(cores or os.cpu_count()),
    )

    def run_parts(batch: np.ndarray) -> np.ndarray:
        if len(batch) <= IMAGES_PER_CORE:
            return run(batch)
        return np.concatenate(
            list(
                pool.map(
                    run,
                    (
                        batch[start : start + IMAGES_PER_CORE]
                        for start in range(0, len(batch), IMAGES_PER_CORE)
                    ),
                )
            )
        )

    return run_parts


def measure_parity(model: "keras.Model", path: Path, count: int = 4) -> float:
    """Largest difference between a Keras model and its ONNX file on noise, relative to the largest
    output (at least 1)."""
    batch = (
        np.random.default_rng(0).uniform(0, 255, (count, *model.input_shape[1:])).astype(np.float32)
    )
    (ours,), theirs = accelerators.predict_on_batch(model, batch), open_onnx(path)(batch)
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(ours).max()))


def export_checked_onnx(model: "keras.Model", path: Path) -> float:
    """Writes a model's ONNX twin and returns by how much the two differ.

    Raises:
        PlainError: it is by more than PARITY.
    """
    with console.err.status(f"exporting {path.name}"):
        export_onnx(model, path)
    difference = measure_parity(model, path)
    if difference > MAX_PARITY_ERROR:
        raise console.PlainError(
            f"{path.name} differs from its Keras model by {difference:.1e}; it is not saved."
        )
    return difference
