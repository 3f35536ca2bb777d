"""Export Keras models to ONNX, and compare the two."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console
from training import accelerators
from training.onnx_files import onnx_models

if TYPE_CHECKING:
    import keras
    import onnx
    import tensorflow as tf

MAX_PARITY_ERROR = 1e-4
"""Largest allowed difference between ONNX Runtime and Keras.

It is relative to the largest output, or to 1 if that is smaller.
"""

TF2ONNX_CATCH_VARIABLE = "TF2ONNX_CATCH_ERRORS"


def export_onnx(model: "keras.Model", path: Path) -> None:
    """Write a Keras model of the TensorFlow backend as ONNX.

    tf2onnx copies every constant in each of its thirty passes: `model.export` takes 26 s and 7 GB
    for Xception. So the weights are arguments of the function that is converted, which takes 5 s
    and 0.5 GB, and become constants afterwards. Copies of the graph, in case that a pass fails,
    would take as long again.
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
    with _let_passes_fail():
        proto, _ = tf2onnx.convert.from_function(
            call, signature, custom_op_handlers={"Erfc": (_convert_erfc, [])}
        )
    # A Normalization keeps its mean beside the weights, and tf2onnx makes an input of it, too.
    captures = call.get_concrete_function(*signature).graph.captures
    _make_inputs_constant(proto, {inner.name: outer for outer, inner in captures} | weights)
    onnx.save(proto, str(path))


@contextlib.contextmanager
def _let_passes_fail() -> Iterator[None]:
    """Have tf2onnx raise what a pass over the graph raises; otherwise it copies the graph before
    each of them."""
    before = os.environ.get(TF2ONNX_CATCH_VARIABLE)
    os.environ[TF2ONNX_CATCH_VARIABLE] = "FALSE"
    try:
        yield
    finally:
        if before is None:
            del os.environ[TF2ONNX_CATCH_VARIABLE]
        else:
            os.environ[TF2ONNX_CATCH_VARIABLE] = before


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


def measure_parity(model: "keras.Model", path: Path, n_images: int = 4) -> float:
    """Return the largest difference between a Keras model and its ONNX file on noise.

    It is relative to the largest output, or to 1 if that is smaller.
    """
    shape = (n_images, *model.input_shape[1:])
    batch = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    (keras_output,) = accelerators.call_once(model, batch)
    onnx_output = onnx_models.open_onnx(path)(batch)
    difference = np.abs(keras_output - onnx_output).max()
    return float(difference / max(1.0, np.abs(keras_output).max()))


def export_checked_onnx(
    model: "keras.Model", path: Path, advice: str = "It was not saved."
) -> float:
    """Write a Keras model as ONNX and return by how much the two differ.

    Args:
        advice: ends the message of the error.

    Raises:
        PlainError: they differ by more than MAX_PARITY_ERROR.
    """
    with console.err.status(f"exporting {path.name}"):
        export_onnx(model, path)
    difference = measure_parity(model, path)
    if difference > MAX_PARITY_ERROR:
        raise console.PlainError(
            f"{path.name} differs from its Keras model by {difference:.1e}; at most "
            f"{MAX_PARITY_ERROR:.0e} is allowed. {advice}"
        )
    return difference
