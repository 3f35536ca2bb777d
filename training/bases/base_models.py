"""Define BASE_MODELS, one row per pretrained base: preprocessing, block boundaries and limits.

Keras is imported inside the functions, so that settings can read the table at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.bases import constructors
from training.bases import taps as base_taps
from training.bases.constructors import BaseConstructor
from training.bases.input_signals import SIGNALS
from training.bases.tower_presets import TOWER_PRESETS

if TYPE_CHECKING:
    import keras


def _make_normaliser(
    mean: Sequence[float], std: Sequence[float]
) -> Callable[["keras.KerasTensor"], "keras.KerasTensor"]:
    def normalise(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
        import keras

        variance = [deviation**2 for deviation in std]
        return keras.layers.Normalization(mean=list(mean), variance=variance)(pixels)

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
    "clip": _make_normaliser(
        (0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255),
        (0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255),
    ),
    "caffe": lambda pixels: _subtract_bgr_mean(pixels[..., ::-1]),
    "inside": lambda pixels: pixels,
}
"""Convert pixels of 0..255 to the range that a base was trained on, by the names of
keras.applications.imagenet_utils.

"tf": to -1..1; "torch": minus ImageNet's mean, over its deviation, per channel; "clip": the same
with CLIP's; "caffe": BGR, minus the mean; "inside": the base does it itself. All are built-in
layers, saved and exported with the detector. After a change, raise FEATURE_LAYOUT_VERSION in
training/features/extractor.py.
"""


@dataclass(frozen=True, kw_only=True)
class BaseSpec:
    """One pretrained base.

    Attributes:
        name: in settings, cards and cache keys.
        constructor: builds the base without its classifier; see constructors.py.
        weights_file: the file that keras.applications downloads for `include_top=False`, or under
            which the weights of keras-hub are saved beside it.
        training_data: names the pretrained weights, "ImageNet weights".
        preprocessing: a name in PREPROCESSING.
        find_taps: returns the name of the layer at every block boundary, from the pixels up, given
            the base's layers; see taps.py.
        signals: names in SIGNALS that it may take.
        min_size_px, max_size_px: smallest and largest input side.
        size_multiple_px: input sides must be a multiple of this; otherwise padding would differ
            between a fixed and a free input size, and edges would be cut off.
    """

    name: str
    constructor: BaseConstructor
    weights_file: str
    preprocessing: str
    find_taps: Callable[[Sequence["keras.Layer"]], dict[str, str]]
    training_data: str = "ImageNet"
    signals: tuple[str, ...] = tuple(SIGNALS)
    min_size_px: int = 32
    max_size_px: int = 1024
    size_multiple_px: int = 32

    def check_size(self, subject: str, size: int) -> None:
        """Raise ValueError for an input side that the base does not take.

        Args:
            subject: begins the sentence, such as "--size is".
        """
        low, high, multiple = self.min_size_px, self.max_size_px, self.size_multiple_px
        if low <= size <= high and size % multiple == 0:
            return
        sizes = f"multiples of {multiple} from {low} to {high}" if low < high else f"{low} only"
        raise ValueError(f"{subject} {size}; {self.name} takes {sizes}.")

    @property
    def takes_one_size(self) -> bool:
        """Whether it has positions for one input side alone, as vision transformers have."""
        return self.min_size_px == self.max_size_px

    def select_sizes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return its own size for a base that takes no other, else these."""
        return (self.min_size_px,) if self.takes_one_size else tuple(sizes)

    def select_signals(self, signals: Sequence[str]) -> tuple[str, ...]:
        """Return those signals that the base takes.

        Raises:
            ValueError: it takes none of them.
        """
        selected = tuple(signal for signal in signals if signal in self.signals)
        if not selected:
            raise ValueError(
                f"--signals is {' '.join(signals)}; {self.name} takes {' '.join(self.signals)}."
            )
        return selected


def _make_tower_row(name: str, training_data: str, preprocessing: str) -> BaseSpec:
    """Return the row of a vision transformer.

    It takes one size, for which it has positions, and the picture alone: a pass takes up to twenty
    times as long as MobileNetV2's, and its training knew no residuals.
    """
    side = TOWER_PRESETS[name].tower.side
    return BaseSpec(
        name=name,
        constructor=constructors.make_tower_constructor(name),
        weights_file=f"{name}.weights.h5",
        preprocessing=preprocessing,
        find_taps=base_taps.find_tower_taps,
        training_data=training_data,
        signals=("picture",),
        min_size_px=side,
        max_size_px=side,
    )


BASE_MODELS = {
    row.name: row
    for row in (
        BaseSpec(
            name="mobilenet_v2",
            constructor=constructors.make_application_constructor("MobileNetV2"),
            weights_file="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            preprocessing="tf",
            find_taps=base_taps.find_mobilenet_v2_taps,
        ),
        BaseSpec(
            name="mobilenet_v3_large",
            constructor=constructors.make_application_constructor("MobileNetV3Large"),
            weights_file="weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            preprocessing="inside",
            find_taps=base_taps.find_mobilenet_v3_taps,
        ),
        BaseSpec(
            name="xception",
            constructor=constructors.make_application_constructor("Xception"),
            weights_file="xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
            preprocessing="tf",
            find_taps=base_taps.find_xception_taps,
            min_size_px=96,
        ),
        BaseSpec(
            name="resnet18",
            constructor=constructors.make_hub_resnet_constructor(18, (2, 2, 2, 2)),
            weights_file="resnet_18_imagenet.weights.h5",
            preprocessing="torch",
            find_taps=base_taps.find_resnet_taps,
        ),
        BaseSpec(
            name="resnet50",
            constructor=constructors.make_application_constructor("ResNet50"),
            weights_file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            preprocessing="caffe",
            find_taps=base_taps.find_resnet_taps,
        ),
        BaseSpec(
            name="resnet50_v2",
            constructor=constructors.make_application_constructor("ResNet50V2"),
            weights_file="resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            preprocessing="tf",
            find_taps=base_taps.find_resnet_v2_taps,
        ),
        BaseSpec(
            name="densenet121",
            constructor=constructors.make_application_constructor("DenseNet121"),
            weights_file="densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
            preprocessing="torch",
            find_taps=base_taps.find_densenet_taps,
        ),
        BaseSpec(
            name="efficientnet_v2_b0",
            constructor=constructors.make_application_constructor("EfficientNetV2B0"),
            weights_file="efficientnetv2-b0_notop.h5",
            preprocessing="inside",
            find_taps=base_taps.find_efficientnet_v2_taps,
        ),
        BaseSpec(
            name="convnext_tiny",
            constructor=constructors.make_convnext_constructor("ConvNeXtTiny"),
            weights_file="convnext_tiny_notop.h5",
            preprocessing="inside",
            find_taps=base_taps.find_convnext_taps,
        ),
        _make_tower_row("clip_vit_b16", training_data="CLIP", preprocessing="clip"),
        _make_tower_row("dinov2_small", training_data="DINOv2", preprocessing="torch"),
        _make_tower_row("dinov2_base", training_data="DINOv2", preprocessing="torch"),
        _make_tower_row("siglip_base", training_data="SigLIP", preprocessing="tf"),
    )
}


def build_base(name: str, weights: str | None = None, side: int | None = None) -> "keras.Model":
    """Build a base without its classifier; the model carries the base's name.

    Args:
        weights: as in keras.applications; None for random ones.
        side: input side in pixels; None for any.

    Raises:
        PlainError: the package that builds it is not installed.
    """
    model = BASE_MODELS[name].constructor(weights, side)
    model.name = name
    return model
