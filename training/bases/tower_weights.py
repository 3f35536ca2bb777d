"""Set the weights of a vision tower, and read them from the encoders of keras-hub."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

WeightArrays = dict[str, list[np.ndarray]]
"""Weights by the name of the layer."""


def set_tower_weights(base: "keras.Model", arrays: WeightArrays) -> None:
    """Set the weights of every layer; keras-hub has the heads on an axis of their own.

    Raises:
        KeyError: the weights of a layer are missing.
        ValueError: they have another size or number.
    """
    for layer in base.layers:
        if layer.weights:
            pairs = zip(arrays[layer.name], layer.weights, strict=True)
            layer.set_weights([array.reshape(weight.shape) for array, weight in pairs])


def join_embeddings(
    kernel: Any, positions: Any, class_token: Any = None, bias: Any = 0.0
) -> list[np.ndarray]:
    """Return the weights of the layer "patches".

    Args:
        kernel: of the convolution that embeds patches, (height, width, 3, channels).
        positions: (tokens, channels).
        class_token: its embedding; None without one.
        bias: of the convolution.
    """
    added = np.copy(np.asarray(positions))
    n_class_tokens = int(class_token is not None)
    added[:n_class_tokens] += np.ravel(class_token) if n_class_tokens else 0.0
    added[n_class_tokens:] += np.asarray(bias)
    return [np.asarray(kernel), added]


def read_clip_encoder(encoder: Any) -> WeightArrays:
    """Return the weights of keras-hub's CLIPVisionEncoder."""
    embedding = encoder.embedding
    arrays = {
        "patches": join_embeddings(
            embedding.patch_embedding.kernel,
            embedding.position_embedding.embeddings,
            embedding.class_embedding,
        ),
        "norm": encoder.pre_layer_norm.get_weights(),
    }
    for number, block in enumerate(encoder.encoder_layers):
        norms, dense = (block.layer_norm_1, block.layer_norm_2), (block.dense_1, block.dense_2)
        arrays |= _name_block(number, [*norms, *dense], block.attention)
    return arrays


def read_siglip_encoder(encoder: Any) -> WeightArrays:
    """Return the weights of keras-hub's SigLIPVisionEncoder."""
    embedding = encoder.embedding
    patches, positions = embedding.patch_embedding, embedding.position_embedding.embeddings
    arrays = {"patches": join_embeddings(patches.kernel, positions, bias=patches.bias)}
    for number, block in enumerate(encoder.encoder_layers):
        norms, dense = (block.layer_norm1, block.layer_norm2), (block.mlp.fc1, block.mlp.fc2)
        arrays |= _name_block(number, [*norms, *dense], block.self_attn)
    return arrays


def read_dinov2_encoder(encoder: Any) -> WeightArrays:
    """Return the weights of keras-hub's DINOV2Backbone.

    It scales what a block adds; here the scales are part of the layers before them.
    """
    embedding = encoder.embeddings
    patches = embedding.patch_embeddings.projection
    positions = np.asarray(embedding.interpolated_position_embeddings)[0]
    arrays = {
        "patches": join_embeddings(patches.kernel, positions, embedding.cls_token, patches.bias)
    }
    for number, block in enumerate(encoder.encoder.layers):
        norms, dense = (block.norm1, block.norm2), (block.mlp.fc1, block.mlp.fc2)
        named = _name_block(number, [*norms, *dense], block.attention.attention)
        for part, scale in (("merge", block.layer_scale1), ("contract", block.layer_scale2)):
            factor = np.asarray(scale.lambda1)
            weights = named[f"block{number}_{part}"]
            named[f"block{number}_{part}"] = [array * factor for array in weights]
        arrays |= named
    return arrays


def _name_block(number: int, layers: list["keras.Layer"], attention: Any) -> WeightArrays:
    """Return a block's weights; `layers` are both normalisations, then both dense layers."""
    norm1, norm2, expand, contract = layers
    named: Mapping[str, keras.Layer] = {
        "norm1": norm1,
        "query": attention.query_dense,
        "key": attention.key_dense,
        "value": attention.value_dense,
        "merge": attention.output_dense,
        "norm2": norm2,
        "expand": expand,
        "contract": contract,
    }
    return {f"block{number}_{part}": layer.get_weights() for part, layer in named.items()}
