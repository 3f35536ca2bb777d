"""A toy face detector in YuNet's shape that finds coloured marks, and schematic faces for the real
one."""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw, ImageFilter

from data_collection.images import face_detector
from toys.images import make_image

BACKGROUND_RGB = (120, 140, 160)
MAX_FACE_CELLS = 32
"""Side of a face whose mark is all green, in cells of 8 pixels."""


def draw_mark(
    picture: Image.Image, column: int, row: int, side: float, score: float = 0.9, cell: int = 8
) -> None:
    """Colour one cell: red is the score, green the side of the face around it, in cells and on a
    log scale."""
    colour = (round(255 * score), round(255 * math.log(side / cell, MAX_FACE_CELLS)), 0)
    picture.paste(colour, (cell * column, cell * row, cell * (column + 1), cell * (row + 1)))


def install_face_detector(patch, folder: Path) -> None:
    """Put the toy in the place of the real face detector."""
    path = folder / "toy-face-detector.onnx"
    path.write_bytes(build_onnx_graph())
    patch.setattr(face_detector, "GRAPH_FILE", path)


def build_onnx_graph() -> bytes:
    """Build a graph with the inputs and outputs of the real one."""
    nodes, constants, outputs = [], [], []
    side = face_detector.CANVAS_SIDE_PX
    for stride in face_detector.DETECTOR_STRIDES_PX:
        pooled, n_positions = f"pooled_{stride}", (side // stride) ** 2
        nodes.append(
            helper.make_node(
                "MaxPool", ["input"], [pooled], kernel_shape=[stride] * 2, strides=[stride] * 2
            )
        )
        for name, weights, bias in _build_output_heads(stride):
            output, channels = f"{name}_{stride}", len(bias)
            shape = np.array([1, n_positions, channels])
            values = {"weights": weights[:, :, None, None], "bias": bias, "shape": shape}
            constants += [
                numpy_helper.from_array(value, f"{output}_{part}") for part, value in values.items()
            ]
            nodes += [
                helper.make_node(
                    "Conv", [pooled, f"{output}_weights", f"{output}_bias"], [f"{output}_map"]
                ),
                helper.make_node(
                    "Transpose", [f"{output}_map"], [f"{output}_last"], perm=[0, 2, 3, 1]
                ),
                helper.make_node("Reshape", [f"{output}_last", f"{output}_shape"], [output]),
            ]
            outputs.append(
                helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, n_positions, channels])
            )
    pixels = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])
    graph = helper.make_graph(nodes, "toy", [pixels], outputs, constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6
    ).SerializeToString()


def _build_output_heads(stride: int):
    """Return (name, weights of blue, green and red, bias) of each head.

    All strides find the same face; a coarser one gives a lower score.
    """
    zeros = np.zeros((4, 3), dtype=np.float32)
    score, size = zeros[:1].copy(), zeros.copy()
    score[0, 2] = (1 - stride / 320) / 255
    size[2:, 1] = math.log(MAX_FACE_CELLS) / 255
    box_bias = np.array([0.5, 0.5, math.log(8 / stride), math.log(8 / stride)], dtype=np.float32)
    no_bias = np.zeros(1, dtype=np.float32)
    landmark_bias = np.repeat(np.float32(8 / stride), 10)
    return (
        ("cls", score, no_bias),
        ("obj", score, no_bias),
        ("bbox", size, box_bias),
        ("kps", np.zeros((10, 3), dtype=np.float32), landmark_bias),
    )


def shrink_graph_input(graph: bytes) -> bytes:
    """Change the input of the published graph from 640 to CANVAS_SIDE_PX pixels a side; the network
    is convolutional, only its shapes are fixed."""
    model = onnx.load_from_string(graph)
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[
            axis
        ].dim_value = face_detector.CANVAS_SIDE_PX
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = "positions"
    del model.graph.value_info[:]  # shapes between layers, which ONNX Runtime would warn about
    shapes = {node.input[1] for node in model.graph.node if node.op_type == "Reshape"}
    for tensor in model.graph.initializer:
        if tensor.name in shapes:
            batch, _, channels = numpy_helper.to_array(tensor)
            shape = np.array([batch, -1, channels], dtype=np.int64)
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    return model.SerializeToString()


def draw_schematic_face(picture: Image.Image, x: float, y: float, size: float) -> Image.Image:
    """Draw a face that is about twice `size` high around (x, y)."""
    draw = ImageDraw.Draw(picture)

    def draw_oval(
        across: float, down: float, half_width: float, half_height: float, colour: object
    ) -> None:
        left, top = x + size * (across - half_width), y + size * (down - half_height)
        draw.ellipse(
            (left, top, left + 2 * size * half_width, top + 2 * size * half_height), fill=colour
        )

    draw_oval(0, -0.27, 0.78, 0.88, (60, 40, 30))
    draw_oval(0, 0, 0.72, 1, (224, 172, 140))
    for side in (-0.3, 0.3):
        draw_oval(side, -0.31, 0.18, 0.03, (60, 40, 30))
        draw_oval(side, -0.12, 0.15, 0.08, "white")
        draw_oval(side, -0.12, 0.07, 0.07, (40, 25, 20))
    draw_oval(0, 0.17, 0.11, 0.14, (205, 150, 118))
    draw_oval(0, 0.55, 0.28, 0.08, (170, 70, 70))
    return picture.filter(ImageFilter.GaussianBlur(0.03 * size))


def draw_photograph(number: int = 0, width: int = 320, x: int = 160) -> Image.Image:
    """Draw a face before a noisy background, with grain of its own."""
    picture = draw_schematic_face(make_image(number, 320).resize((width, 320)), x, 170, 90)
    grain = np.random.default_rng(number).normal(0, 6, (320, width, 1))
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))
