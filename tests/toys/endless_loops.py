"""An ONNX operator that never ends."""

import onnx
from onnx import TensorProto, helper


def make_endless_loop(start: str, end: str) -> onnx.NodeProto:
    """Return a loop that hands a tensor on without end; the graph needs a constant `true`."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Identity", ["value"], ["same"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same", TensorProto.FLOAT, None),
        ],
    )
    return helper.make_node("Loop", ["", "true", start], [end], body=body)
