"""Where the blocks of each base end: the name of the layer at every boundary, from the pixels up.

A boundary is a cut: everything above it depends on the output of that one layer. Features are pooled there, and fine-tuning
starts from activations that were kept there.

Each function is given a base's layers, and the base may have been saved, opened again, and cut at one of its boundaries.
So a layer that Keras numbers by what else was built before is found by its kind, and only where its neighbours are.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

Taps = dict[str, str]


def _last_of_each(pattern: str, layers: Sequence["keras.Layer"]) -> Taps:
    """The last layer of every block, by the name that the pattern's group takes out of the layer's name."""
    found = ((re.fullmatch(pattern, layer.name), layer.name) for layer in layers)
    return {match[1]: name for match, name in found if match}


def mobilenet_v2(layers: Sequence["keras.Layer"]) -> Taps:
    """Stem, 17 inverted residual blocks (the sum where there is one, else the projection), top."""
    names = {layer.name for layer in layers}
    blocks = ["expanded_conv_project_BN"]
    blocks += [f"block_{n}_add" if f"block_{n}_add" in names else f"block_{n}_project_BN" for n in range(1, 17)]
    return {"stem": "Conv1_relu", **{f"block{n}": name for n, name in enumerate(blocks)}, "top": "out_relu"}


def mobilenet_v3(layers: Sequence["keras.Layer"]) -> Taps:
    """Stem, the inverted residual blocks (15 in Large), top; Keras numbers the activations of stem and top."""
    ends = _last_of_each(r"expanded_conv_((?:\d+_)?)(?:project_bn|add)", layers)
    blocks = {f"block{number.rstrip('_') or 0}": name for number, name in ends.items()}
    activations = [layer.name for layer in layers if type(layer).__name__ == "Activation"]
    whole = any(layer.name == "conv_1_bn" for layer in layers)
    return {"stem": activations[0], **blocks, **({"top": activations[-1]} if whole else {})}


def xception(layers: Sequence["keras.Layer"]) -> Taps:
    """13 blocks and the top. Keras numbers the sums by what else was built before, so they are found by kind."""
    sums = [layer.name for layer in layers if type(layer).__name__ == "Add"]
    return {
        "block1": "block1_conv2_act",
        **{f"block{n}": name for n, name in enumerate(sums, 2)},
        "top": "block14_sepconv2_act",
    }


def resnet(layers: Sequence["keras.Layer"]) -> Taps:
    """Stem before its pooling, and the residual blocks."""
    return {"stem": "conv1_relu", **_last_of_each(r"((?:conv|stack)\d_block\d+)_out", layers)}


def resnet_v2(layers: Sequence["keras.Layer"]) -> Taps:
    """Here the blocks activate what they read, so the stem is linear, and the top is an activation alone."""
    return {**resnet(layers), "stem": "conv1_conv", "top": "post_relu"}


def efficientnet_v2(layers: Sequence["keras.Layer"]) -> Taps:
    """Stem, the blocks (the sum where there is one), top."""
    blocks = _last_of_each(r"(block\d[a-z])_(?:project_bn|project_activation|add)", layers)
    return {"stem": "stem_activation", **blocks, "top": "top_activation"}


def convnext(layers: Sequence["keras.Layer"]) -> Taps:
    """Stem, the blocks of the four stages, and the normalisation at the end, which Keras numbers."""
    tops = [layer.name for layer in layers if re.fullmatch(r"layer_normalization(_\d+)?", layer.name)]
    stem = _last_of_each(r".*_(stem)", layers)
    return {**stem, **_last_of_each(r".*_(stage_\d_block_\d+)_add", layers), **({"top": tops[-1]} if tops else {})}


def densenet(layers: Sequence["keras.Layer"]) -> Taps:
    """Stem, dense blocks and the transitions between them, top.

    Inside a dense block every concatenation is a cut, too, but it repeats all below it: 58 taps, and nothing that the end of
    the block does not hold.
    """
    return {"stem": "conv1_relu", **_last_of_each(r"((?:conv|pool)\d)_(?:block\d+_concat|pool)", layers), "top": "relu"}
