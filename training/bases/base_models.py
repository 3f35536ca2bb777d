"""BASE_MODELS: one row per pretrained base, with its preprocessing, its block boundaries and its
limits.

Keras is imported inside the functions, so that settings can read the table at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.bases import constructors
from training.bases import taps as base_taps
from training.bases.constructors import BaseConstructor

if TYPE_CHECKING:
    import keras


def _make_normaliser(
    mean: Sequence[float], std: Sequence[float]
) -> Callable[["keras.KerasTensor"], "keras.KerasTensor"]:
    def normalise(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
        import keras

        return keras.layers.Normalization(mean=list(mean), variance=[number**2 for number in std])(
            pixels
        )

    return normalise


def _rescale_to_unit_range(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return keras.layers.Rescaling(1 / 127.5, -1)(pixels)


_subtract_bgr_mean = _make_normaliser((103.939, 116.779, 123.68), (1, 1, 1))

PREPROCESSING: dict[str, Callable[["keras.KerasTensor"], "keras.KerasTensor"]] = {
    "tf": _rescale_to_unit_range,
    "torch": _make_normaliser(
        (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
    ),
    "caffe": lambda pixels: _subtract_bgr_mean(pixels[..., ::-1]),
    "inside": lambda pixels: pixels,
}
"""What takes pixels of 0..255 to what a base was trained on, named as
keras.applications.imagenet_utils names it.

"tf": to -1..1; "torch": by ImageNet's mean and deviation of every channel; "caffe": blue first,
less the mean; "inside": the base does it itself. Made of built-in layers and operations, which are
saved and exported with the detector.
"""


@dataclass(frozen=True)
class BaseSpec:
    """One row.

    Attributes:
        name: our name for it.
        constructor: builds it without its classifier; see base_constructors.
        weights_file: the file that keras.applications downloads for `include_top=False`, or that we
            keep of keras-hub's.
        preprocessing: a name in PREPROCESSING.
        taps: names the layer at every block boundary, from the pixels up, given the base's layers;
            see base_taps.
        smallest: smallest input side in pixels.
        multiple: input sides must be a multiple of this, or padding would differ between a fixed
            and a free input size, and edges would be cut off.
    """

    name: str
    constructor: BaseConstructor
    weights_file: str
    preprocessing: str
    taps: Callable[[Sequence["keras.Layer"]], dict[str, str]]
    smallest: int = 32
    multiple: int = 32


BASE_MODELS = {
    row.name: row
    for row in (
        BaseSpec(
            "mobilenet_v2",
            constructors.make_application_constructor("MobileNetV2"),
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            "tf",
            base_taps.find_mobilenet_v2_taps,
        ),
        BaseSpec(
            "mobilenet_v3_large",
            constructors.make_application_constructor("MobileNetV3Large"),
            "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            "inside",
            base_taps.find_mobilenet_v3_taps,
        ),
        BaseSpec(
            "xception",
            constructors.make_application_constructor("Xception"),
            "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "tf",
            base_taps.find_xception_taps,
            smallest=96,
        ),
        BaseSpec(
            "resnet18",
            constructors.make_hub_resnet_constructor(18, (2, 2, 2, 2)),
            "resnet_18_imagenet.weights.h5",
            "torch",
            base_taps.find_resnet_taps,
        ),
        BaseSpec(
            "resnet50",
            constructors.make_application_constructor("ResNet50"),
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "caffe",
            base_taps.find_resnet_taps,
        ),
        BaseSpec(
            "resnet50_v2",
            constructors.make_application_constructor("ResNet50V2"),
            "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "tf",
            base_taps.find_resnet_v2_taps,
        ),
        BaseSpec(
            "densenet121",
            constructors.make_application_constructor("DenseNet121"),
            "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "torch",
            base_taps.find_densenet_taps,
        ),
        BaseSpec(
            "efficientnet_v2_b0",
            constructors.make_application_constructor("EfficientNetV2B0"),
            "efficientnetv2-b0_notop.h5",
            "inside",
            base_taps.find_efficientnet_v2_taps,
        ),
        BaseSpec(
            "convnext_tiny",
            constructors.make_convnext_constructor("ConvNeXtTiny"),
            "convnext_tiny_notop.h5",
            "inside",
            base_taps.find_convnext_taps,
        ),
    )
}


def build_base(name: str, weights: str | None = None, side: int | None = None) -> "keras.Model":
    """The base without its classifier; `weights` as in keras.applications, None for random ones;
    None is any input side.

    Raises:
        PlainError: it is built by a package that is missing.
    """
    base = BASE_MODELS[name].constructor(weights, side)
    base.name = name
    return base


def preprocess_pixels(pixels: "keras.KerasTensor", name: str) -> "keras.KerasTensor":
    """Pixels of 0..255 as the base was trained on them."""
    return PREPROCESSING[BASE_MODELS[name].preprocessing](pixels)


def build_tapped_base(
    base: "keras.Model", name: str, wanted: Sequence[str] | None = None
) -> "keras.Model":
    """The base with the output of every wanted tap, from the pixels up; layers that no wanted tap
    needs are left out."""
    import keras

    taps = BASE_MODELS[name].taps(base.layers)
    outputs = [
        base.get_layer(layer).output
        for tap, layer in taps.items()
        if wanted is None or tap in wanted
    ]
    return keras.Model(base.input, outputs, name=name)


def list_tap_names(base: "keras.Model", name: str) -> list[str]:
    return list(BASE_MODELS[name].taps(base.layers))
