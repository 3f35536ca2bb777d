"""Tiny ONNX files and modules of outside detectors."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from runtime import onnx_session  # noqa: F401  (turns reports off before onnxruntime is imported)

MODULE = """
import numpy as np
from PIL import Image


def score(paths):
    '''Judge the brightness of the top left pixel, and note the names.'''
    with open("paths.txt", "a") as file:
        file.writelines(path + chr(10) for path in paths)
    return [np.asarray(Image.open(path).convert("L"))[0, 0] / 255 for path in paths]


def read_names(paths):
    return [0.9 if "generated" in path else 0.1 if "real" in path else 0.5 for path in paths]


def column(paths):
    return np.linspace(0, 1, len(paths))[:, None]


def raises(paths):
    raise ValueError("no GPU here")


def leaves(paths):
    raise SystemExit("bye")


def short(paths):
    return [0.5]


def table(paths):
    return np.full((len(paths), 2), 0.5)


def not_a_number(paths):
    return [float("nan")] + [0.5] * (len(paths) - 1)


def logits(paths):
    return [3.2] * len(paths)


def words(paths):
    return ["fake"] * len(paths)


def nothing(paths):
    pass


number = 3
"""


def write_module(folder: Path) -> None:
    (folder / "judges.py").write_text(MODULE)
    (folder / "broken.py").write_text("import a_package_that_is_not_there")


def build_brightness_model(
    shape: tuple,
    output: tuple = (None, 1),
    operator: str = "Sigmoid",
    kind: int = TensorProto.FLOAT,
) -> bytes:
    """Return a model that takes bright images for generated.

    Args:
        shape, output: shapes of input and output; None for a free dimension.
        operator: the last one; "Neg" gives numbers that are no probabilities.
    """
    constants = {
        "low": np.array(-100, np.float32),
        "scale": np.array(0.03, np.float32),
        "wanted": np.array([-1, *output[1:]]),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Add", ["mean", "low"], ["above"]),
        helper.make_node("Mul", ["above", "scale"], ["logit"]),
        helper.make_node(operator, ["logit"], ["probability"]),
        helper.make_node("Reshape", ["probability", "wanted"], ["generated"]),
    ]
    return build_model(nodes, {"pixels": (kind, shape)}, {"generated": output}, constants)


def build_model(nodes: list, inputs: dict, outputs: dict, constants: dict) -> bytes:
    graph = helper.make_graph(
        nodes,
        "outside",
        [
            helper.make_tensor_value_info(name, kind, shape)
            for name, (kind, shape) in inputs.items()
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", 15)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
