"""Read the weights of CLIP: tensors as transformers names them, or a quantised ONNX file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.bases.tower_weights import WeightArrays, join_embeddings

if TYPE_CHECKING:
    import onnx

TENSOR_PREFIX = "vision_model"
"""Begins every name of a tensor in transformers' CLIPVisionModelWithProjection."""

PUBLISHED_PARTS = {
    "norm1": "layer_norm1",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "merge": "self_attn.out_proj",
    "norm2": "layer_norm2",
    "expand": "mlp.fc1",
    "contract": "mlp.fc2",
}
"""Names of a block's layers in transformers, by our names."""

QUANTISED_PRODUCT = "/MatMul_quant"
"""Ends the name of every product with a quantised matrix, as ONNX Runtime's quantiser names it."""


def convert_tensors(tensors: Mapping[str, np.ndarray], blocks: int) -> WeightArrays:
    """Return the weights by layer, from tensors as transformers names and orders them.

    Raises:
        KeyError: one is missing.
    """

    def read(name: str) -> list[np.ndarray]:
        return [tensors[f"{TENSOR_PREFIX}.{name}.{part}"].T for part in ("weight", "bias")]

    embeddings = f"{TENSOR_PREFIX}.embeddings"
    kernel = tensors[f"{embeddings}.patch_embedding.weight"].transpose(2, 3, 1, 0)
    positions = tensors[f"{embeddings}.position_embedding.weight"]
    arrays = {
        "patches": join_embeddings(kernel, positions, tensors[f"{embeddings}.class_embedding"]),
        "norm": read("pre_layrnorm"),  # their spelling
    }
    for block in range(blocks):
        for ours, theirs in PUBLISHED_PARTS.items():
            arrays[f"block{block}_{ours}"] = read(f"encoder.layers.{block}.{theirs}")
    return arrays


def read_quantised_onnx(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of an ONNX file by transformers' names, with float weights.

    Its products take int8 matrices with a scale and a zero point for every output. Only numbers are
    read: the graph, which would quantise the activations, too, is not run.

    Raises:
        ValueError: it is no ONNX file.
        KeyError: a scale or a zero point is missing.
    """
    import onnx

    graph = _parse_onnx(path.read_bytes()).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [node for node in graph.node if node.name.endswith(QUANTISED_PRODUCT)]
    weights = {
        name_product_weight(node.name): dequantise(
            stored[node.input[1]],
            stored[node.input[1].removesuffix("_quantized") + "_scale"],
            stored[node.input[3]],
        ).T
        for node in products
    }
    return stored | weights


def _parse_onnx(content: bytes) -> "onnx.ModelProto":
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(content)
    except DecodeError:
        raise ValueError("it is no ONNX file") from None


def name_product_weight(product: str) -> str:
    """Return the weight of a product, "/mlp/fc1/MatMul_quant", as transformers names it."""
    return product.removesuffix(QUANTISED_PRODUCT).strip("/").replace("/", ".") + ".weight"


def dequantise(matrix: np.ndarray, scale: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """Return (matrix - zero point) * scale per output, float32 (inputs, outputs)."""
    return (matrix.astype(np.float32) - zero_point.astype(np.float32)) * scale
