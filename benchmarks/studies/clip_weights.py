"""Compare clip_vit_b16 with the package that its weights come from: `python -m
benchmarks.studies.clip_weights`.

The package's graph multiplies int8 matrices with activations that it rounds to int8 on the way.
Here it is run as it is, and with the same matrices as floats, as Telltale reads them: what is left
is then the difference between two programs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console, onnx_session
from training import accelerators
from training.bases import clip_weights, loaded_base, weight_packages, weights
from training.bases.loaded_base import LoadedBase

if TYPE_CHECKING:
    import onnx

N_IMAGES = 8
COLUMNS = ("block", "largest number", "difference, floats", "cosine, floats", "cosine, as it is")


def main() -> None:
    base = loaded_base.load_base(weights.find_base_weights("clip_vit_b16", "package"))
    path = weight_packages.locate_packaged_file("clip_vit_b16")
    pixels = np.random.default_rng(0).uniform(0, 255, (N_IMAGES, 224, 224, 3)).astype(np.float32)
    taps = compute_taps(base, pixels)
    as_floats = run_blocks(use_float_products(path), preprocess(base, pixels))
    as_it_is = run_blocks(load_graph(path), preprocess(base, pixels))
    rows = [
        [
            name,
            f"{np.abs(floats).max():.1f}",
            f"{measure_difference(tap, floats):.0e}",
            f"{measure_cosine(tap, floats):.6f}",
            f"{measure_cosine(tap, integers):.3f}",
        ]
        for name, tap, floats, integers in zip(
            base.list_tap_names(), taps, as_floats, as_it_is, strict=True
        )
    ]
    console.print_table("Tokens of the package's graph and of clip_vit_b16", COLUMNS, rows)


def compute_taps(base: LoadedBase, pixels: np.ndarray) -> list[np.ndarray]:
    """Return the tokens after every block, of pixels 0..255."""
    return accelerators.predict_on_batch(base.build_tapped(), preprocess(base, pixels))


def preprocess(base: LoadedBase, pixels: np.ndarray) -> np.ndarray:
    """Return pixels of 0..255 as the base takes them."""
    import keras

    inputs = keras.Input(pixels.shape[1:])
    return np.asarray(keras.Model(inputs, base.preprocess(inputs))(pixels))


def load_graph(path: Path) -> "onnx.ModelProto":
    import onnx

    return onnx.load(str(path))


def use_float_products(path: Path) -> "onnx.ModelProto":
    """Return the graph with every quantised product replaced by one of floats.

    A product is a DynamicQuantizeLinear of its input, a MatMulInteger, a Cast, and a Mul by the
    scales.
    """
    import onnx

    model, tensors = load_graph(path), clip_weights.read_quantised_onnx(path)
    graph = model.graph
    producers = {output: node for node in graph.node for output in node.output}
    users = {name: node for node in graph.node for name in node.input}
    products = [node for node in graph.node if node.op_type == "MatMulInteger"]
    for product in products:
        name = clip_weights.name_product_weight(product.name)
        rescale = users[users[product.output[0]].output[0]]
        graph.initializer.append(onnx.numpy_helper.from_array(tensors[name].T.copy(), name))
        inputs = [producers[product.input[0]].input[0], name]
        node = onnx.helper.make_node("MatMul", inputs, rescale.output)
        position = list(graph.node).index(rescale)
        graph.node.remove(rescale)
        graph.node.insert(position, node)
    return model


def run_blocks(model: "onnx.ModelProto", pixels: np.ndarray) -> list[np.ndarray]:
    """Return the tokens after every block of a graph of transformers' CLIPVisionModel."""
    import onnx

    ends = [
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Add" and node.name.count("/") == 4 and node.name.endswith("Add_1")
    ]
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in ends
        if name not in known
    )
    session = onnx_session.open_session(model.SerializeToString())
    return session.run(ends, {session.get_inputs()[0].name: pixels.transpose(0, 3, 1, 2)})


def measure_difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, relative to the largest number."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def measure_cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean cosine between the class tokens of the same pictures."""
    products = (first[:, 0] * second[:, 0]).sum(axis=-1)
    lengths = np.linalg.norm(first[:, 0], axis=-1) * np.linalg.norm(second[:, 0], axis=-1)
    return float((products / lengths).mean())


if __name__ == "__main__":
    main()
