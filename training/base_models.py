"""BASE_MODELS: one row per pretrained base, with its preprocessing, its block boundaries and its limits.

Keras is imported inside the functions, so that settings can read the table at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training import base_constructors, base_taps
from training.base_constructors import Constructor

if TYPE_CHECKING:
    import keras


def _normalised(mean: Sequence[float], std: Sequence[float]) -> Callable[["keras.KerasTensor"], "keras.KerasTensor"]:
    def normalise(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
        import keras

        return keras.layers.Normalization(mean=list(mean), variance=[number**2 for number in std])(pixels)

    return normalise


def _rescaled(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return keras.layers.Rescaling(1 / 127.5, -1)(pixels)


_without_bgr_mean = _normalised((103.939, 116.779, 123.68), (1, 1, 1))

PREPROCESSING: dict[str, Callable[["keras.KerasTensor"], "keras.KerasTensor"]] = {
    "tf": _rescaled,
    "torch": _normalised((0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
    "caffe": lambda pixels: _without_bgr_mean(pixels[..., ::-1]),
    "inside": lambda pixels: pixels,
}
"""What takes pixels of 0..255 to what a base was trained on, named as keras.applications.imagenet_utils names it.

"tf": to -1..1; "torch": by ImageNet's mean and deviation of every channel; "caffe": blue first, less the mean; "inside": the
base does it itself. Made of built-in layers and operations, which are saved and exported with the detector.
"""


@dataclass(frozen=True)
class BaseModel:
    """One row.

    Attributes:
        name: our name for it.
        constructor: builds it without its classifier; see base_constructors.
        weights_file: the file that keras.applications downloads for `include_top=False`, or that we keep of keras-hub's.
        preprocessing: a name in PREPROCESSING.
        taps: names the layer at every block boundary, from the pixels up, given the base's layers; see base_taps.
        smallest: smallest input side in pixels.
        multiple: input sides must be a multiple of this, or padding would differ between a fixed and a free input size, and
            edges would be cut off.
    """

    name: str
    constructor: Constructor
    weights_file: str
    preprocessing: str
    taps: Callable[[Sequence["keras.Layer"]], dict[str, str]]
    smallest: int = 32
    multiple: int = 32


BASE_MODELS = {
    row.name: row
    for row in (
        BaseModel(
            "mobilenet_v2",
            base_constructors.application("MobileNetV2"),
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            "tf",
            base_taps.mobilenet_v2,
        ),
        BaseModel(
            "mobilenet_v3_large",
            base_constructors.application("MobileNetV3Large"),
            "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            "inside",
            base_taps.mobilenet_v3,
        ),
        BaseModel(
            "xception",
            base_constructors.application("Xception"),
            "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "tf",
            base_taps.xception,
            smallest=96,
        ),
        BaseModel(
            "resnet18",
            base_constructors.hub_resnet(18, (2, 2, 2, 2)),
            "resnet_18_imagenet.weights.h5",
            "torch",
            base_taps.resnet,
        ),
        BaseModel(
            "resnet50",
            base_constructors.application("ResNet50"),
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "caffe",
            base_taps.resnet,
        ),
        BaseModel(
            "resnet50_v2",
            base_constructors.application("ResNet50V2"),
            "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "tf",
            base_taps.resnet_v2,
        ),
        BaseModel(
            "densenet121",
            base_constructors.application("DenseNet121"),
            "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "torch",
            base_taps.densenet,
        ),
        BaseModel(
            "efficientnet_v2_b0",
            base_constructors.application("EfficientNetV2B0"),
            "efficientnetv2-b0_notop.h5",
            "inside",
            base_taps.efficientnet_v2,
        ),
        BaseModel(
            "convnext_tiny",
            base_constructors.convnext("ConvNeXtTiny"),
            "convnext_tiny_notop.h5",
            "inside",
            base_taps.convnext,
        ),
    )
}


def build(name: str, weights: str | None = None, side: int | None = None) -> "keras.Model":
    """The base without its classifier; `weights` as in keras.applications, None for random ones; None is any input side.

    Raises:
        PlainError: it is built by a package that is missing.
    """
    base = BASE_MODELS[name].constructor(weights, side)
    base.name = name
    return base


def preprocessed(pixels: "keras.KerasTensor", name: str) -> "keras.KerasTensor":
    """Pixels of 0..255 as the base was trained on them."""
    return PREPROCESSING[BASE_MODELS[name].preprocessing](pixels)


def tapped(base: "keras.Model", name: str, wanted: Sequence[str] | None = None) -> "keras.Model":
    """The base with the output of every wanted tap, from the pixels up; layers that no wanted tap needs are left out."""
    import keras

    taps = BASE_MODELS[name].taps(base.layers)
    outputs = [base.get_layer(layer).output for tap, layer in taps.items() if wanted is None or tap in wanted]
    return keras.Model(base.input, outputs, name=name)


def tap_names(base: "keras.Model", name: str) -> list[str]:
    return list(BASE_MODELS[name].taps(base.layers))
