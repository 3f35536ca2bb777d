"""Check an ONNX model before ONNX Runtime opens it: its operators, its values and its costs.

Everything is computed from the shapes of the weights and of a single image; shapes that the file
claims are removed first.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from training.model_checks.unsafe_model import UnsafeModelError

if TYPE_CHECKING:
    import onnx

UNUSED_OPERATORS = frozenset({"Div", "Flatten", "Gemm", "Identity", "Pow", "Split"})
"""No export of today has them. They stay allowed so that a detector that was saved with other
versions of Keras or tf2onnx is not refused; they are as bounded as the others."""

ALLOWED_OPERATORS = UNUSED_OPERATORS | frozenset(
    {
        *("Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "Erf", "Exp", "Gather"),
        *("GlobalAveragePool", "IsInf", "IsNaN", "Log", "MatMul", "Max", "MaxPool", "Min", "Mul"),
        *("Neg", "Not", "Or", "Pad", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceSum", "Relu"),
        *("Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Sqrt", "Squeeze", "Sub"),
        *("Transpose", "Unsqueeze"),
    }
)
"""Those that tf2onnx writes for our bases, heads and baselines. None holds another graph, repeats
itself, or makes values out of a shape alone."""

SAME_SIZE_OPERATORS = ("Cast", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Their output has as many values as their first input, whatever its shape."""

MAX_NODES = 50_000
"""The exports of two bases at three sizes have 5,000."""

MAX_LIVE_VALUES = 500_000_000
"""Numbers that are in memory together for one image. An image of 4096 px has 50 million."""

MAX_MULTIPLICATIONS = 2_000_000_000_000
"""For one image; CLIP's image tower needs 17 billion."""

MAX_SMALL_VALUES = 1024
"""Values of a constant that may be a shape or an index; larger ones are not read for the check."""


def check_onnx_model(model: "onnx.ModelProto", side: int) -> None:
    """Raise UnsafeModelError for anything that Telltale's exports do not contain.

    The model is changed: use a copy of its own.

    Args:
        side: in pixels, of the images that it must take.
    """
    from onnx import TensorProto

    graph = model.graph
    check_parts(model, ALLOWED_OPERATORS)
    inputs = list_inputs(graph)
    if [describe_value(value) for value in inputs] != [(TensorProto.FLOAT, [side, side, 3])]:
        raise UnsafeModelError(f"does not take images of {side} x {side} x 3, as its card says")
    if [describe_value(value) for value in graph.output] != [(TensorProto.FLOAT, [1])]:
        raise UnsafeModelError("does not give one probability per image")
    check_costs(model, inputs[0])


def check_parts(model: "onnx.ModelProto", operators: Collection[str]) -> None:
    """Raise UnsafeModelError for other operators than these, and for odd names and constants."""
    graph = model.graph
    if model.functions:
        raise UnsafeModelError("has functions of its own, which Telltale does not write")
    _check_nodes(graph.node, operators)
    _check_names(graph)
    for tensor in graph.initializer:
        _check_constant(tensor)
    if graph.sparse_initializer:
        raise UnsafeModelError("has sparse weights, which Telltale does not write")


def check_costs(model: "onnx.ModelProto", image: "onnx.ValueInfoProto") -> None:
    """Raise UnsafeModelError if an image would take too much memory or time, or that is unknown.

    The model is changed: use a copy of its own.

    Args:
        image: the model's input, whose first dimension is the number of images.
    """
    sizes = _compute_sizes(model, image)
    _check_memory(model.graph, sizes, image.name)


def list_inputs(graph: "onnx.GraphProto") -> list["onnx.ValueInfoProto"]:
    """Return the inputs that are no constants."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def _check_nodes(nodes: Sequence["onnx.NodeProto"], operators: Collection[str]) -> None:
    if len(nodes) > MAX_NODES:
        raise UnsafeModelError(f"has {len(nodes):,} operators")
    for node in nodes:
        if node.domain or node.op_type not in operators:
            raise UnsafeModelError(
                f"has the operator {node.op_type[:80]!r}, which Telltale does not open"
            )
        for attribute in node.attribute:
            if attribute.ref_attr_name or attribute.type not in _list_plain_types(attribute):
                raise UnsafeModelError(f"has an operator {node.op_type} with a part of its own")


def _check_names(graph: "onnx.GraphProto") -> None:
    names = [tensor.name for tensor in graph.initializer]
    names += [name for node in graph.node for name in node.output if name]
    if len(set(names)) < len(names):
        raise UnsafeModelError("uses a name twice")


def _list_plain_types(attribute: "onnx.AttributeProto") -> tuple[int, ...]:
    return (
        *(attribute.FLOAT, attribute.INT, attribute.STRING),
        *(attribute.FLOATS, attribute.INTS, attribute.STRINGS),
    )


def _check_constant(tensor: "onnx.TensorProto") -> None:
    from onnx import TensorProto

    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64)
    if tensor.external_data or tensor.data_location != TensorProto.DEFAULT:
        raise UnsafeModelError(f"has weights that lie in another file ({tensor.name[:80]})")
    if tensor.data_type not in (*kinds, TensorProto.BOOL) or min(tensor.dims, default=0) < 0:
        raise UnsafeModelError(f"has weights that are not numbers ({tensor.name[:80]})")
    stored = len(tensor.raw_data) or 8 * max(
        len(tensor.float_data),
        *(len(tensor.double_data), len(tensor.int32_data), len(tensor.int64_data)),
    )
    if math.prod(tensor.dims) > stored:
        raise UnsafeModelError(f"declares weights that it does not hold ({tensor.name[:80]})")


def describe_value(value: "onnx.ValueInfoProto") -> tuple[int, list[int]]:
    """Return type and shape of an input or output, without its first, free dimension."""
    dims = value.type.tensor_type.shape.dim
    free = bool(dims) and not dims[0].dim_value
    return value.type.tensor_type.elem_type, [dim.dim_value for dim in dims[free:]]


def _compute_sizes(model: "onnx.ModelProto", image: "onnx.ValueInfoProto") -> dict[str, list[int]]:
    """Return the shape of every tensor for one image; [values] where only their number is known."""
    import onnx

    graph = model.graph
    image.type.tensor_type.shape.dim[0].dim_value = 1
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    _replace_large_constants(graph)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    except Exception as error:  # a broken graph raises errors of several kinds
        raise UnsafeModelError(f"does not fit together ({type(error).__name__})") from None
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        dims = value.type.tensor_type.shape.dim
        is_known = value.type.tensor_type.HasField("shape")
        if is_known and all(dim.HasField("dim_value") for dim in dims):
            shapes[value.name] = [dim.dim_value for dim in dims]
    for node in graph.node:
        _add_same_size(node, shapes)
    return shapes


def _replace_large_constants(graph: "onnx.GraphProto") -> None:
    """Turn weights into inputs of the same shape: the check copies the model."""
    import onnx

    small = []
    for tensor in graph.initializer:
        if math.prod(tensor.dims) <= MAX_SMALL_VALUES:
            small.append(onnx.TensorProto.FromString(tensor.SerializeToString()))
        elif tensor.name not in {value.name for value in graph.input}:
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            graph.input.append(value)
    del graph.initializer[:]
    graph.initializer.extend(small)


def _add_same_size(node: "onnx.NodeProto", shapes: dict[str, list[int]]) -> None:
    """Add the number of values of a node whose shape is not known.

    Raises:
        UnsafeModelError: an operator's output cannot be known before it is computed.
    """
    for name in filter(None, node.output):
        if name in shapes:
            continue
        if node.op_type not in SAME_SIZE_OPERATORS or node.input[0] not in shapes:
            raise UnsafeModelError(f"has an operator {node.op_type} of a size that is not known")
        shapes[name] = [math.prod(shapes[node.input[0]])]


def _check_memory(
    graph: "onnx.GraphProto", shapes: Mapping[str, Sequence[int]], image: str
) -> None:
    """Raise UnsafeModelError if one image would take too much memory or time.

    A tensor is freed after its last use, unless it depends on the weights alone: ONNX Runtime
    computes those once and keeps them.
    """
    last_use = {name: index for index, node in enumerate(graph.node) for name in node.input}
    varies, freed = {image}, {}
    live, multiplications = math.prod(shapes[image]), 0
    for index, node in enumerate(graph.node):
        outputs = [name for name in node.output if name]
        if not varies.isdisjoint(node.input):
            varies.update(outputs)
            for name in outputs:
                freed.setdefault(last_use.get(name, index), []).append(name)
        live += sum(math.prod(shapes[name]) for name in outputs)
        multiplications += sum(_count_multiplications(node, shapes))
        if live > MAX_LIVE_VALUES:
            raise UnsafeModelError(f"asks for the memory of {live:,} numbers per image")
        if multiplications > MAX_MULTIPLICATIONS:
            raise UnsafeModelError(f"asks for {multiplications:,} multiplications per image")
        live -= sum(math.prod(shapes[name]) for name in freed.pop(index, ()))


def _count_multiplications(
    node: "onnx.NodeProto", shapes: Mapping[str, Sequence[int]]
) -> Iterator[int]:
    if node.op_type == "Conv":
        yield math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
    elif node.op_type in ("MatMul", "Gemm"):
        # at least the length of the sums, whichever way Gemm turns its inputs
        yield math.prod(shapes[node.output[0]]) * max(shapes[node.input[0]][-2:], default=1)
    else:
        yield sum(math.prod(shapes[name]) for name in node.output if name)
