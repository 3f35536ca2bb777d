"""Set the weights of a CLIP tower: transformers' tensors, a quantised ONNX file, or keras-hub's
encoder."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.bases.clip_tower import BLOCK_LAYERS

if TYPE_CHECKING:
    import keras

TENSOR_PREFIX = "vision_model"
"""Begins every name of a tensor in transformers' CLIPVisionModelWithProjection."""

QUANTISED_PRODUCT = "/MatMul_quant"
"""Ends the name of every product with a quantised matrix, as ONNX Runtime's quantiser names it."""


def set_tensors(base: "keras.Model", tensors: Mapping[str, np.ndarray]) -> None:
    """Set all weights from tensors as transformers names and orders them.

    Raises:
        KeyError: one is missing.
        ValueError: one has another shape.
    """
    embeddings = f"{TENSOR_PREFIX}.embeddings"
    _set_embeddings(
        base,
        tensors[f"{embeddings}.patch_embedding.weight"].transpose(2, 3, 1, 0),
        tensors[f"{embeddings}.position_embedding.weight"],
        tensors[f"{embeddings}.class_embedding"],
    )
    # Their spelling.
    _set_layer(base, "norm", tensors, f"{TENSOR_PREFIX}.pre_layrnorm")
    for block, part in _iterate_block_parts(base):
        name = f"{TENSOR_PREFIX}.encoder.layers.{block}.{BLOCK_LAYERS[part]}"
        _set_layer(base, f"block{block}_{part}", tensors, name)


def _set_layer(
    base: "keras.Model", layer: str, tensors: Mapping[str, np.ndarray], name: str
) -> None:
    base.get_layer(layer).set_weights([tensors[f"{name}.weight"].T, tensors[f"{name}.bias"]])


def _set_embeddings(
    base: "keras.Model", patches: np.ndarray, positions: np.ndarray, class_token: np.ndarray
) -> None:
    first_token = np.zeros_like(positions)
    first_token[0] = class_token
    base.get_layer("patches").set_weights([patches])
    base.get_layer("positions").set_weights([np.ones_like(class_token), positions + first_token])


def _iterate_block_parts(base: "keras.Model") -> Iterator[tuple[str, str]]:
    """Yield number of the block and name in BLOCK_LAYERS of every layer with weights."""
    for layer in base.layers:
        block, _, part = layer.name.removeprefix("block").partition("_")
        if part in BLOCK_LAYERS:
            yield block, part


def read_quantised_onnx(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of an ONNX file by transformers' names, with float weights.

    Its products take int8 matrices with a scale and a zero point for every output. Only numbers are
    read: the graph, which would quantise the activations, too, is not run.

    Raises:
        ValueError: it is no ONNX file.
        KeyError: a scale or a zero point is missing.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load_model_from_string(path.read_bytes()).graph
    except DecodeError:
        raise ValueError("it is no ONNX file") from None
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


def name_product_weight(product: str) -> str:
    """Return the weight of a product, "/mlp/fc1/MatMul_quant", as transformers names it."""
    return product.removesuffix(QUANTISED_PRODUCT).strip("/").replace("/", ".") + ".weight"


def dequantise(matrix: np.ndarray, scale: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """Return (matrix - zero point) * scale per output, float32 (inputs, outputs)."""
    return (matrix.astype(np.float32) - zero_point.astype(np.float32)) * scale


def copy_hub_encoder(base: "keras.Model", encoder: Any) -> None:
    """Set all weights from a CLIPVisionEncoder of keras-hub."""
    embedding = encoder.embedding
    patches, positions, class_token = (
        np.asarray(weight)
        for weight in (
            embedding.patch_embedding.kernel,
            embedding.position_embedding.embeddings,
            embedding.class_embedding,
        )
    )
    _set_embeddings(base, patches, positions, class_token)
    base.get_layer("norm").set_weights(encoder.pre_layer_norm.get_weights())
    for block, part in _iterate_block_parts(base):
        source = _list_hub_layers(encoder.encoder_layers[int(block)])[part]
        layer = base.get_layer(f"block{block}_{part}")
        # In keras-hub the heads lie on an axis of their own, in the same order.
        shapes = [weight.shape for weight in layer.weights]
        layer.set_weights(
            [
                array.reshape(shape)
                for array, shape in zip(source.get_weights(), shapes, strict=True)
            ]
        )


def _list_hub_layers(block: Any) -> dict[str, "keras.Layer"]:
    """Return the layers of keras-hub's block by their names in BLOCK_LAYERS."""
    attention = block.attention
    return {
        "norm1": block.layer_norm_1,
        "query": attention._query_dense,
        "key": attention._key_dense,
        "value": attention._value_dense,
        "merge": attention._output_dense,
        "norm2": block.layer_norm_2,
        "expand": block.dense_1,
        "contract": block.dense_2,
    }
