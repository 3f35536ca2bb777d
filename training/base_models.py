"""BASE_MODELS: one row per pretrained base, with its preprocessing, its block boundaries and its limits.

Keras is imported inside the functions, so that settings can read the table at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class BaseModel:
    """One row.

    Attributes:
        name: our name for it.
        constructor: its name in keras.applications.
        weights_file: the file that keras.applications downloads for `include_top=False`.
        smallest: smallest input side in pixels.
        multiple: input sides must be a multiple of this, or padding would differ between a fixed and a free input size.
        rescaling: (scale, offset) that takes pixels of 0..255 to what the base was trained on.
        taps: names the layer at every block boundary, from the pixels up, given the base's layers.
    """

    name: str
    constructor: str
    weights_file: str
    smallest: int
    multiple: int
    rescaling: tuple[float, float]
    taps: Callable[[Sequence["keras.Layer"]], dict[str, str]]


def _mobilenet_v2_taps(layers: Sequence["keras.Layer"]) -> dict[str, str]:
    """Stem, 17 inverted residual blocks (the sum where there is one, else the projection), top."""
    names = {layer.name for layer in layers}
    blocks = ["expanded_conv_project_BN"]
    blocks += [f"block_{n}_add" if f"block_{n}_add" in names else f"block_{n}_project_BN" for n in range(1, 17)]
    return {"stem": "Conv1_relu", **{f"block{n}": name for n, name in enumerate(blocks)}, "top": "out_relu"}


def _xception_taps(layers: Sequence["keras.Layer"]) -> dict[str, str]:
    """13 blocks and the top. Keras numbers the sums by what else was built before, so they are found by kind."""
    sums = [layer.name for layer in layers if type(layer).__name__ == "Add"]
    return {
        "block1": "block1_conv2_act",
        **{f"block{n}": name for n, name in enumerate(sums, 2)},
        "top": "block14_sepconv2_act",
    }


BASE_MODELS = {
    row.name: row
    for row in (
        BaseModel(
            "mobilenet_v2",
            "MobileNetV2",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            smallest=32,
            multiple=32,
            rescaling=(1 / 127.5, -1),
            taps=_mobilenet_v2_taps,
        ),
        BaseModel(
            "xception",
            "Xception",
            "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
            smallest=96,
            multiple=32,
            rescaling=(1 / 127.5, -1),
            taps=_xception_taps,
        ),
    )
}


def build(name: str, weights: str | None = None) -> "keras.Model":
    """The base without its classifier, for any input size; `weights` as in keras.applications, None for random ones."""
    import warnings

    import keras

    with warnings.catch_warnings():
        # MobileNetV2 says that it takes the weights for 224 pixels when the size is free: that is what we want.
        warnings.filterwarnings("ignore", message=".*input_shape.*is undefined or non-square")
        constructor = getattr(keras.applications, BASE_MODELS[name].constructor)
        return constructor(include_top=False, weights=weights, input_shape=(None, None, 3), name=name)


def tapped(base: "keras.Model", name: str, wanted: Sequence[str] | None = None) -> "keras.Model":
    """The base with the output of every wanted tap, from the pixels up; layers that no wanted tap needs are left out."""
    import keras

    taps = BASE_MODELS[name].taps(base.layers)
    outputs = [base.get_layer(layer).output for tap, layer in taps.items() if wanted is None or tap in wanted]
    return keras.Model(base.input, outputs, name=name)


def tap_names(base: "keras.Model", name: str) -> list[str]:
    return list(BASE_MODELS[name].taps(base.layers))
