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
    """Writes a model as ONNX. A model that has never been called cannot be exported, so it is called once."""
    import logging
    import warnings

    model.predict_on_batch(np.zeros((1, *model.input_shape[1:]), dtype=np.float32))
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx looks for np.object, which numpy announces as a change to come
        model.export(str(path), format="onnx", verbose=False)


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
