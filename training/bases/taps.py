"""Find the layer at every block boundary of a base, by the boundary's name, from the pixels up.

A boundary is a cut: everything above it depends on the output of that one layer. Features are
pooled there, and fine-tuning starts from activations that were cached there.

Each function takes a base's layers; the base may have been saved, loaded, and cut at one of its
boundaries. So a layer whose name Keras numbers by what else was built before is found by its type,
and only if its neighbours are there.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

TapLayers = dict[str, str]


def _find_last_layers(pattern: str, layers: Sequence["keras.Layer"]) -> TapLayers:
    """Return the last layer of every block; the pattern's group is the block's name."""
    matches = ((re.fullmatch(pattern, layer.name), layer.name) for layer in layers)
    return {match[1]: name for match, name in matches if match}


def find_mobilenet_v2_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find stem, 17 inverted residual blocks (their sum if there is one, else projection), top."""
    names = {layer.name for layer in layers}
    blocks = ["expanded_conv_project_BN"]
    blocks += [
        f"block_{n}_add" if f"block_{n}_add" in names else f"block_{n}_project_BN"
        for n in range(1, 17)
    ]
    return {
        "stem": "Conv1_relu",
        **{f"block{n}": name for n, name in enumerate(blocks)},
        "top": "out_relu",
    }


def find_mobilenet_v3_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find stem, the inverted residual blocks (15 in Large), and top.

    Keras numbers the activations of stem and top.
    """
    last_layers = _find_last_layers(r"expanded_conv_((?:\d+_)?)(?:project_bn|add)", layers)
    blocks = {f"block{number.rstrip('_') or 0}": name for number, name in last_layers.items()}
    activations = [layer.name for layer in layers if type(layer).__name__ == "Activation"]
    has_top = any(layer.name == "conv_1_bn" for layer in layers)
    return {"stem": activations[0], **blocks, **({"top": activations[-1]} if has_top else {})}


def find_xception_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find 13 blocks and the top; Keras numbers the sums of the blocks."""
    sums = [layer.name for layer in layers if type(layer).__name__ == "Add"]
    return {
        "block1": "block1_conv2_act",
        **{f"block{n}": name for n, name in enumerate(sums, 2)},
        "top": "block14_sepconv2_act",
    }


def find_resnet_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find the stem before its pooling, and the residual blocks."""
    return {"stem": "conv1_relu", **_find_last_layers(r"((?:conv|stack)\d_block\d+)_out", layers)}


def find_resnet_v2_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find stem, residual blocks and top.

    These blocks activate their input, so the stem is linear, and the top is an activation.
    """
    return {**find_resnet_taps(layers), "stem": "conv1_conv", "top": "post_relu"}


def find_efficientnet_v2_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find stem, the blocks (their sum if there is one), and top."""
    blocks = _find_last_layers(r"(block\d[a-z])_(?:project_bn|project_activation|add)", layers)
    return {"stem": "stem_activation", **blocks, "top": "top_activation"}


def find_convnext_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find stem, the blocks of the four stages, and the top: a normalisation that Keras numbers."""
    tops = [
        layer.name for layer in layers if re.fullmatch(r"layer_normalization(_\d+)?", layer.name)
    ]
    stem = _find_last_layers(r".*_(stem)", layers)
    return {
        **stem,
        **_find_last_layers(r".*_(stage_\d_block_\d+)_add", layers),
        **({"top": tops[-1]} if tops else {}),
    }


def find_densenet_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find stem, dense blocks, the transitions between them, and top.

    Inside a dense block every concatenation is a cut, too, but the end of the block contains all
    of them: 58 taps would add nothing.
    """
    return {
        "stem": "conv1_relu",
        **_find_last_layers(r"((?:conv|pool)\d)_(?:block\d+_concat|pool)", layers),
        "top": "relu",
    }


def find_tower_taps(layers: Sequence["keras.Layer"]) -> TapLayers:
    """Find the blocks; a tap holds tokens: the class token if there is one, then the patches."""
    return _find_last_layers(r"(block\d+)_out", layers)
