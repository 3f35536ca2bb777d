"""Build bases without their classifier: from keras.applications, from keras-hub, or from layers.

None adds custom code to a base, beyond registered layers of Keras such as ConvNeXt's LayerScale: a
saved detector opens with Keras alone.
"""

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from runtime import console
from training.bases.tower_presets import TOWER_PRESETS
from training.bases.tower_weights import set_tower_weights
from training.bases.vision_tower import build_vision_tower

if TYPE_CHECKING:
    import keras

BaseConstructor = Callable[[str | None, int | None], "keras.Model"]
"""From weights as in keras.applications ("imagenet", a file, None for random ones) and the input
side (None for any) to the base."""


def make_application_constructor(name: str) -> BaseConstructor:
    """Return a constructor that builds a base with keras.applications."""

    def construct(weights: str | None, side: int | None) -> "keras.Model":
        import keras

        with warnings.catch_warnings():
            # With a free size the MobileNets warn that they load the weights for 224 pixels, as we
            # want.
            warnings.filterwarnings("ignore", message=".*input_shape.*is undefined or non-square")
            # Give no `name`: EfficientNetV2 looks up its blocks and its preprocessing by it,
            # ConvNeXt its weights.
            return getattr(keras.applications, name)(
                include_top=False, weights=weights, input_shape=(side, side, 3)
            )

    return construct


def make_convnext_constructor(name: str) -> BaseConstructor:
    """Return a constructor of a ConvNeXt that has taps and can be exported to ONNX.

    As published, a block ends in a plain `+`, which is no layer, and its depthwise convolution is a
    grouped one, which Keras gives to XLA on a CPU and tf2onnx cannot read. Here a block ends in a
    named Add layer, and the convolution is a DepthwiseConv2D.
    """

    def construct(weights: str | None, side: int | None) -> "keras.Model":
        import keras

        published = make_application_constructor(name)(weights, side)
        block_names = (
            layer.name.removesuffix("_identity")
            for layer in published.layers
            if layer.name.endswith("_identity")
        )

        def clone(operation: keras.Operation) -> keras.Operation:
            if isinstance(operation, keras.layers.Conv2D) and operation.groups > 1:
                return keras.layers.DepthwiseConv2D(
                    operation.kernel_size, padding="same", name=operation.name
                )
            return type(operation).from_config(operation.get_config())

        def call(operation: keras.Operation, *args, **kwargs) -> keras.KerasTensor:
            if isinstance(operation, keras.Layer):
                return operation(*args, **kwargs)
            return keras.layers.Add(name=f"{next(block_names)}_add")(args)

        base = keras.models.clone_model(published, clone_function=clone, call_function=call)
        # A depthwise kernel is (7, 7, channels, 1), a grouped one (7, 7, 1, channels): the same
        # numbers in the same order.
        pairs = zip(published.get_weights(), base.weights, strict=True)
        base.set_weights([array.reshape(weight.shape) for array, weight in pairs])
        return base

    return construct


def make_hub_resnet_constructor(depth: int, blocks: tuple[int, ...]) -> BaseConstructor:
    """Return a constructor of a ResNet with blocks of two convolutions, from keras-hub.

    keras.applications has none.
    """

    def construct(weights: str | None, side: int | None) -> "keras.Model":
        ResNetBackbone = _import_keras_hub(f"resnet{depth}").ResNetBackbone
        base = ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 128, 256, 512],
            stackwise_num_blocks=list(blocks),
            stackwise_num_strides=[1, 2, 2, 2],
            block_type="basic_block",
            image_shape=(side, side, 3),
        )
        if weights == "imagenet":
            base.set_weights(ResNetBackbone.from_preset(f"resnet_{depth}_imagenet").get_weights())
        elif weights:
            base.load_weights(weights)
        return base

    return construct


def make_tower_constructor(name: str) -> BaseConstructor:
    """Return a constructor of a vision transformer in TOWER_PRESETS, from Keras' own layers."""

    def construct(weights: str | None, side: int | None) -> "keras.Model":
        preset = TOWER_PRESETS[name]
        if side not in (None, preset.tower.side):
            raise ValueError(f"{name} takes pictures of {preset.tower.side} pixels, not {side}")
        base = build_vision_tower(preset.tower)
        if weights == "imagenet":
            backbone = getattr(_import_keras_hub(name), preset.backbone)
            published = backbone.from_preset(preset.name, **preset.options)
            set_tower_weights(base, preset.read_weights(published))
        elif weights:
            base.load_weights(weights)
        return base

    return construct


def _import_keras_hub(base: str) -> ModuleType:
    """Return keras_hub.models.

    Raises:
        PlainError: it is not installed.
    """
    try:
        from keras_hub import models
    except ImportError:
        raise console.PlainError(
            f"{base} needs keras-hub: pip install -r requirements-keras-hub.txt, or leave it out "
            "of --bases."
        ) from None
    return models
