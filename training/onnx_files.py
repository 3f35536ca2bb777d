"""ONNX files: written from Keras models, compared with them, and run without TensorFlow."""

import concurrent.futures
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

PARITY = 1e-4
"""Largest difference that is let pass between ONNX Runtime and Keras, relative to the largest output (at least 1)."""


def export(model: "keras.Model", path: Path) -> None:
    """Writes a Keras model of the TensorFlow backend as ONNX.

    tf2onnx copies every constant in each of its thirty passes: `model.export` takes 26 s and 7 GB for Xception. So the
    weights are arguments of the function that is converted, which takes 5 s and 0.5 GB, and become constants afterwards.
    """
    import logging

    import onnx
    import tensorflow as tf
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    trainable, variables = len(model.trainable_variables), model.trainable_variables + model.non_trainable_variables
    weights = {f"weight{number}": variable for number, variable in enumerate(variables)}

    @tf.function(autograph=False)
    def call(pixels, *weights):
        return model.stateless_call(weights[:trainable], weights[trainable:], pixels, training=False)[0]

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="pixels")]
    signature += [tf.TensorSpec(weight.shape, weight.dtype, name=name) for name, weight in weights.items()]
    proto, _ = tf2onnx.convert.from_function(call, signature)
    inputs = {value.name: value for value in proto.graph.input}
    for name in filter(inputs.__contains__, weights):  # those of a dropout or a metric are not used
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(weights[name]), name))
        proto.graph.input.remove(inputs[name])
    onnx.save(proto, str(path))


Runner = Callable[[np.ndarray], np.ndarray]


def runner(path: Path, threads: int = 0) -> Runner:
    """Opens an ONNX file of one input and one output; returns a function from float32 batch to float32 batch.

    Args:
        threads: for one batch; 0 for one on every core.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def streams(path: Path) -> Runner:
    """Like `runner`, for many images: every core runs single-threaded batches of four, a tenth faster than together."""
    run, pool = runner(path, threads=1), concurrent.futures.ThreadPoolExecutor(os.cpu_count())

    def run_parts(batch: np.ndarray) -> np.ndarray:
        return np.concatenate(list(pool.map(run, (batch[start : start + 4] for start in range(0, len(batch), 4)))))

    return run_parts


def parity(model: "keras.Model", path: Path, count: int = 4) -> float:
    """Largest difference between a Keras model and its ONNX file on noise, relative to the largest output (at least 1)."""
    batch = np.random.default_rng(0).uniform(0, 255, (count, *model.input_shape[1:])).astype(np.float32)
    ours, theirs = np.asarray(model.predict_on_batch(batch)), runner(path)(batch)
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(ours).max()))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
