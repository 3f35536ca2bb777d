"""Run ONNX models, and find tensors inside them, without TensorFlow."""

import concurrent.futures
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime import onnx_session

MAX_TENSOR_ERROR = 0.05
"""Largest difference at which a tensor inside is taken for the same; rounding came to .026 in
random networks of nine bases."""

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


def open_onnx_with_tensors(
    path: Path | bytes, names: Sequence[str], threads: int = 0
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Open an ONNX file, or its bytes; the function returns its output, then these inner tensors.

    Raises:
        ValueError: the model lacks one of them.
    """
    model = path if isinstance(path, bytes) else path.read_bytes()
    try:
        return open_onnx_outputs(add_outputs(model, names), threads)
    except Exception as error:  # ONNX Runtime's own types share no base
        if not is_missing_output(error):
            raise
        raise ValueError from None


def is_missing_output(error: Exception) -> bool:
    """Return whether ONNX Runtime says that a model lacks one of its outputs."""
    return "does not exist in the graph" in str(error)


def add_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Return the bytes of a model that also gives these inner tensors, after its output."""
    return model + _encode_outputs(names) if names else model


def _encode_outputs(names: Sequence[str]) -> bytes:
    """Return the bytes of an ONNX model that has nothing but these outputs of its graph.

    Two Protocol Buffers messages, one after the other, are their union: after a model, these bytes
    add outputs to its graph. Parsing and writing it anew would take seconds and four times the
    memory for a large base, and importing onnx as long as an answer.
    """
    outputs = b"".join(_encode_field(12, _encode_field(1, name.encode())) for name in names)
    return _encode_field(7, outputs)  # ModelProto.graph, GraphProto.output, ValueInfoProto.name


def _encode_field(number: int, value: bytes) -> bytes:
    length, rest = bytearray(), len(value)
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2, *length, rest]) + value


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
