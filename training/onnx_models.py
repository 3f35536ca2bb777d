"""Export Keras models to ONNX, compare the two, and run ONNX files without TensorFlow."""

import concurrent.futures
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console, onnx_session
from training import accelerators

if TYPE_CHECKING:
    import keras
    import onnx
    import tensorflow as tf

MAX_PARITY_ERROR = 1e-4
"""Largest allowed difference between ONNX Runtime and Keras.

It is relative to the largest output, or to 1 if that is smaller.
"""


MAX_TENSOR_ERROR = 0.05
"""Largest difference at which a tensor inside is taken for the same; rounding came to .026 in
random networks of nine bases."""


def export_onnx(model: "keras.Model", path: Path) -> None:
    """Write a Keras model of the TensorFlow backend as ONNX.

    tf2onnx copies every constant in each of its thirty passes: `model.export` takes 26 s and 7 GB
    for Xception. So the weights are arguments of the function that is converted, which takes 5 s
    and 0.5 GB, and become constants afterwards.
    """
    import logging

    import onnx
    import tensorflow as tf
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    n_trainable = len(model.trainable_variables)
    variables = model.trainable_variables + model.non_trainable_variables
    weights = {f"weight{number}": variable for number, variable in enumerate(variables)}

    @tf.function(autograph=False)
    def call(pixels, *weights):
        return model.stateless_call(
            weights[:n_trainable], weights[n_trainable:], pixels, training=False
        )[0]

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="pixels")]
    signature += [
        tf.TensorSpec(weight.shape, weight.dtype, name=name) for name, weight in weights.items()
    ]
    proto, _ = tf2onnx.convert.from_function(
        call, signature, custom_op_handlers={"Erfc": (_convert_erfc, [])}
    )
    # A Normalization keeps its mean beside the weights, and tf2onnx makes an input of it, too.
    captures = call.get_concrete_function(*signature).graph.captures
    _make_inputs_constant(proto, {inner.name: outer for outer, inner in captures} | weights)
    onnx.save(proto, str(path))


def _make_inputs_constant(proto: "onnx.ModelProto", values: Mapping[str, "tf.Tensor"]) -> None:
    """Turn the graph's inputs of these names into constants.

    Names without an input are skipped: the graph uses no variable of a dropout or a metric.
    """
    import onnx

    inputs = {value.name: value for value in proto.graph.input}
    for name in filter(inputs.__contains__, values):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values[name]), name))
        proto.graph.input.remove(inputs[name])


def _convert_erfc(graph, node, name: str, _) -> None:
    """Convert erfc, which TensorFlow's gelu uses, to 1 - erf: ONNX has the error function alone."""
    shape, dtype = graph.get_shape(node.output[0]), graph.get_dtype(node.output[0])
    graph.remove_node(name)
    erf = graph.make_node("Erf", node.input, shapes=[shape], dtypes=[dtype])
    one = graph.make_const(f"{name}_one", np.array(1, np.float32))
    graph.make_node(
        "Sub",
        [one.output[0], erf.output[0]],
        outputs=node.output,
        name=name,
        shapes=[shape],
        dtypes=[dtype],
    )


IMAGES_PER_CORE = 4
"""Images that one core runs together; ONNX Runtime on one core is fastest with two to four."""

OnnxRunner = Callable[[np.ndarray], np.ndarray]


def open_onnx(path: Path | bytes, threads: int = 0) -> OnnxRunner:
    """Open an ONNX file, or its bytes, with one input and one output, both float32.

    Args:
        threads: for one batch; 0 for one on every core.
    """
    run = open_onnx_outputs(path, threads)
    return lambda batch: run(batch)[0]


def select_probabilities(answers: np.ndarray, n_images: int) -> np.ndarray:
    """Return the probabilities in a detector's answers, (n,); NaN for what is none.

    Answers of another shape or type than float32 (n, 1) could be those of other images.
    """
    if answers.shape != (n_images, 1) or answers.dtype != np.float32:
        return np.full(n_images, np.nan, np.float32)
    column = answers[:, 0]
    return np.where((column >= 0) & (column <= 1), column, np.float32(np.nan))


def open_onnx_outputs(
    path: Path | bytes, threads: int = 0
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Open an ONNX file as open_onnx does; the function returns all of its outputs."""
    session = onnx_session.open_session(path, threads)
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})


@dataclass(frozen=True)
class InnerTensor:
    """A tensor inside an ONNX model: its name, and whether its channels come before its sides."""

    name: str
    channels_first: bool

    def arrange(self, values: np.ndarray) -> np.ndarray:
        """Return the values with the channels last, as Keras has them."""
        return np.moveaxis(values, 1, -1) if self.channels_first else values


def find_inner_tensors(
    model: bytes, batch: np.ndarray, arrays: Sequence[np.ndarray]
) -> list[InnerTensor]:
    """Return the tensors inside an ONNX model that hold these arrays for a batch.

    Of several tensors with nearly the same values, the nearest is returned.

    Raises:
        ValueError: an array is in no tensor, or differs by more than MAX_TENSOR_ERROR.
    """
    import onnx

    graph = onnx.load_model_from_string(model).graph
    tensors = [InnerTensor(name, False) for node in graph.node for name in node.output if name]
    values = dict(zip(tensors, open_inner_tensors(model, tensors)(batch), strict=True))
    for tensor in tensors:
        if np.ndim(values[tensor]) == 4:
            other = InnerTensor(tensor.name, True)
            values[other] = other.arrange(values[tensor])
    found = []
    for array in arrays:
        errors = {
            tensor: float(np.abs(value - array).max())
            for tensor, value in values.items()
            if np.shape(value) == array.shape
        }
        nearest = min(errors, key=errors.__getitem__)  # ValueError if there is none
        if not errors[nearest] <= MAX_TENSOR_ERROR * max(1.0, np.abs(array).max()):
            raise ValueError
        found.append(nearest)
    return found


def open_inner_tensors(
    model: bytes, tensors: Sequence[InnerTensor]
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Open an ONNX model; the function returns these tensors inside it, not its output.

    Raises:
        ValueError: the model lacks one of them.
    """
    import onnx

    proto = onnx.load_model_from_string(model)
    known = {name for node in proto.graph.node for name in node.output}
    if not known.issuperset(tensor.name for tensor in tensors):
        raise ValueError
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=tensor.name) for tensor in tensors)
    run = open_onnx_outputs(proto.SerializeToString())
    return lambda batch: [
        tensor.arrange(values) for tensor, values in zip(tensors, run(batch), strict=True)
    ]


def open_onnx_streams(path: Path | bytes, n_cores: int | None = None) -> OnnxRunner:
    """Open an ONNX file, or its bytes, for many images.

    Every core runs single-threaded batches of IMAGES_PER_CORE, a tenth faster than together. Up to
    IMAGES_PER_CORE images run in the calling thread, so several threads may call at the same time.

    Args:
        n_cores: None for all.
    """
    run = open_onnx(path, threads=1)
    pool = concurrent.futures.ThreadPoolExecutor(n_cores or os.cpu_count())

    def run_parts(batch: np.ndarray) -> np.ndarray:
        if len(batch) <= IMAGES_PER_CORE:
            return run(batch)
        starts = range(0, len(batch), IMAGES_PER_CORE)
        parts = (batch[start : start + IMAGES_PER_CORE] for start in starts)
        return np.concatenate(list(pool.map(run, parts)))

    return run_parts


def measure_parity(model: "keras.Model", path: Path, n_images: int = 4) -> float:
    """Return the largest difference between a Keras model and its ONNX file on noise.

    It is relative to the largest output, or to 1 if that is smaller.
    """
    shape = (n_images, *model.input_shape[1:])
    batch = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    (keras_output,) = accelerators.predict_on_batch(model, batch)
    onnx_output = open_onnx(path)(batch)
    difference = np.abs(keras_output - onnx_output).max()
    return float(difference / max(1.0, np.abs(keras_output).max()))


def export_checked_onnx(model: "keras.Model", path: Path) -> float:
    """Write a Keras model as ONNX and return by how much the two differ.

    Raises:
        PlainError: they differ by more than MAX_PARITY_ERROR.
    """
    with console.err.status(f"exporting {path.name}"):
        export_onnx(model, path)
    difference = measure_parity(model, path)
    if difference > MAX_PARITY_ERROR:
        raise console.PlainError(
            f"{path.name} differs from its Keras model by {difference:.1e}; at most "
            f"{MAX_PARITY_ERROR:.0e} is allowed. It was not saved."
        )
    return difference
