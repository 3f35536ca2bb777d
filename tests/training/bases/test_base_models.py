"""Every row of BASE_MODELS has taps at its block boundaries and the published preprocessing."""

import itertools
import subprocess
import sys
import typing

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils
from transformers import image_utils

from runtime import console
from toys import bases
from toys.commands import build_environment
from training import settings
from training.bases import base_models
from training.bases.base_models import BASE_MODELS
from training.bases.loaded_base import LoadedBase
from training.bases.tower_presets import TOWER_PRESETS
from training.features import layout
from training.onnx_files import onnx_export

EFFICIENTNET_BLOCKS = [
    f"block{stage}{n}"
    for stage, count in enumerate((1, 2, 2, 3, 5, 8), 1)
    for n in "abcdefgh"[:count]
]
CONVNEXT_BLOCKS = [
    f"stage_{stage}_block_{n}" for stage, count in enumerate((3, 3, 9, 3)) for n in range(count)
]
RESNET_BLOCKS = [
    f"conv{stage}_block{n}"
    for stage, count in enumerate((3, 4, 6, 3), 2)
    for n in range(1, count + 1)
]
EXPECTED_TAPS = {
    "mobilenet_v2": ["stem", *(f"block{n}" for n in range(17)), "top"],
    "mobilenet_v3_large": ["stem", *(f"block{n}" for n in range(15)), "top"],
    "xception": [*(f"block{n}" for n in range(1, 14)), "top"],
    "resnet18": ["stem", *(f"stack{stage}_block{n}" for stage in range(4) for n in range(2))],
    "resnet50": ["stem", *RESNET_BLOCKS],
    "resnet50_v2": ["stem", *RESNET_BLOCKS, "top"],
    "densenet121": ["stem", "conv2", "pool2", "conv3", "pool3", "conv4", "pool4", "conv5", "top"],
    "efficientnet_v2_b0": ["stem", *EFFICIENTNET_BLOCKS, "top"],
    "convnext_tiny": ["stem", *CONVNEXT_BLOCKS, "top"],
    **dict.fromkeys(TOWER_PRESETS, [f"block{n}" for n in range(12)]),
}
CHANNELS = {
    "mobilenet_v2": (32, 16, 24, 24, 32),
    "mobilenet_v3_large": (16, 16, 24, 24, 40),
    "xception": (64, 128, 256, 728),
    "resnet18": (64, 64, 64, 128, 128, 256),
    "resnet50": (64, 256, 256, 256, 512),
    "resnet50_v2": (64, 256, 256, 256, 512),
    "densenet121": (64, 256, 128, 512, 256, 1024, 512, 1024, 1024),
    "efficientnet_v2_b0": (32, 16, 32, 32, 48, 48, 96),
    "convnext_tiny": (96, 96, 96, 96, 192),
    **dict.fromkeys(TOWER_PRESETS, (bases.NARROW_WIDTH,) * 12),
}
LAYERS_INSIDE = {
    "mobilenet_v3_large": ["Rescaling"],
    "efficientnet_v2_b0": ["Rescaling", "Normalization"],
    "convnext_tiny": ["Normalization"],
}


def preprocess_as_torch(pixels):
    return keras.applications.imagenet_utils.preprocess_input(pixels, mode="torch")


PUBLISHED_PREPROCESSING = {
    "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
    "mobilenet_v3_large": keras.applications.mobilenet_v3.preprocess_input,
    "xception": keras.applications.xception.preprocess_input,
    "resnet18": preprocess_as_torch,
    "resnet50": keras.applications.resnet50.preprocess_input,
    "resnet50_v2": keras.applications.resnet_v2.preprocess_input,
    "densenet121": keras.applications.densenet.preprocess_input,
    "efficientnet_v2_b0": keras.applications.efficientnet_v2.preprocess_input,
    "convnext_tiny": keras.applications.convnext.preprocess_input,
    "clip_vit_b16": lambda pixels: (
        (pixels / 255 - image_utils.OPENAI_CLIP_MEAN) / image_utils.OPENAI_CLIP_STD
    ).astype(np.float32),
    **dict.fromkeys(("dinov2_small", "dinov2_base"), preprocess_as_torch),
    "siglip_base": lambda pixels: keras.applications.imagenet_utils.preprocess_input(
        pixels, mode="tf"
    ),
}
HUB_FILES = {
    "resnet18": "resnet_18_imagenet.weights.h5",
    **{name: f"{name}.weights.h5" for name in TOWER_PRESETS},
}
"""Under which the weights of bases that keras.applications lacks are saved."""


@pytest.fixture(scope="module")
def downloads():
    """The file that Keras would have downloaded, by base."""
    return {}


@pytest.fixture(scope="module", autouse=True)
def narrow_towers():
    with pytest.MonkeyPatch.context() as patch:
        bases.use_narrow_towers(patch)
        yield


@pytest.fixture(scope="module", params=list(BASE_MODELS))
def named_base(request, downloads):
    name = request.param
    is_application = name not in HUB_FILES
    if name == "resnet18":
        pytest.importorskip("keras_hub")
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            file_utils, "get_file", lambda file, *args, **kwargs: downloads.setdefault(name, file)
        )
        patch.setattr(keras.Model, "load_weights", lambda *args: None)
        base = base_models.build_base(name, "imagenet" if is_application else None)
    # With random weights the activations fall to 1e-12 in MobileNetV2, and every comparison would
    # hold.
    for layer in base.layers:
        if type(layer).__name__ == "LayerScale":
            layer.set_weights([np.ones(layer.projection_dim)])
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0
    side = max(96, BASE_MODELS[name].min_size_px)
    base(noise(2, side, side, 3), training=True)
    return name, LoadedBase.from_model(base)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def pixels(side: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (2, side, side, 3)).astype(np.float32)


def largest_difference(actual, expected) -> float:
    """Return the largest difference, relative to the largest number."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def test_settings_offer_every_row_and_choose_two():
    assert typing.get_args(settings.BaseName) == tuple(BASE_MODELS)
    assert settings.TrainingSettings().bases == ("mobilenet_v2", "xception")


def test_sizes_and_signals_that_a_base_does_not_take_are_refused_in_one_sentence():
    clip = {"bases": ("mobilenet_v2", "clip_vit_b16")}
    for alone in (("clip_vit_b16",), ("clip_vit_b16", "dinov2_small")):
        with pytest.raises(ValueError, match=r"^--sizes has 320; clip_vit_b16 takes 224 only\.$"):
            settings.TrainingSettings(bases=alone, sizes=(224, 320))
    with pytest.raises(ValueError, match=r"^--sizes has 200; mobilenet_v2 takes multiples of 32"):
        settings.TrainingSettings(**clip, sizes=(200,))
    with pytest.raises(ValueError, match=r"^--sizes has 200; xception takes multiples of 32 from"):
        settings.TrainingSettings(bases=("xception",), sizes=(200,))
    with pytest.raises(ValueError, match=r"^--signals is residual; clip_vit_b16 takes picture\.$"):
        settings.TrainingSettings(**clip, signals=("residual",))
    both = settings.TrainingSettings(**clip).signals
    assert BASE_MODELS["clip_vit_b16"].select_signals(both) == ("picture",)
    assert BASE_MODELS["mobilenet_v2"].select_signals(both) == ("picture", "residual")


def test_a_base_of_one_size_keeps_it_beside_others_and_all_are_given_the_same_pictures():
    chosen = settings.TrainingSettings(bases=("mobilenet_v2", "clip_vit_b16"), sizes=(128, 160))
    assert chosen.select_sizes("mobilenet_v2") == (128, 160)
    assert chosen.select_sizes("clip_vit_b16") == (224,)
    assert max(chosen.all_sizes) == 224


def test_taps_stand_at_every_block_boundary(named_base):
    name, base = named_base
    tapped = base.build_tapped()
    assert base.model.name == name
    assert base.list_tap_names() == EXPECTED_TAPS[name]
    channels = [output.shape[-1] for output in tapped.outputs]
    assert tuple(channels[: len(CHANNELS[name])]) == CHANNELS[name]
    assert tapped.outputs[-1] is base.model.output


def test_a_row_names_the_file_that_keras_downloads(named_base, downloads):
    name, _ = named_base
    assert downloads.get(name, HUB_FILES.get(name)) == BASE_MODELS[name].weights_file


def test_everything_above_a_tap_depends_on_it_alone(named_base):
    """Keras refuses to build a model from a tensor that other paths bypass."""
    name, base = named_base
    tapped = base.build_tapped()
    side = BASE_MODELS[name].min_size_px
    activations = tapped(noise(1, side, side, 3), training=False)
    assert np.abs(activations[-1]).max() > 0.1
    above = [keras.Model(tap, base.model.output) for tap in tapped.outputs[:-1]]
    assert largest_difference(above[0](activations[0], training=False), activations[-1]) <= 1e-5
    # Step by step: from every tap to the top would take ten times as long.
    for number, activation in enumerate(activations[1:], 1):
        step = keras.Model(tapped.outputs[number - 1], tapped.outputs[number])
        assert largest_difference(step(activations[number - 1], training=False), activation) <= 1e-5


def test_a_requested_tap_leaves_out_all_that_lies_above_it(named_base):
    name, base = named_base
    tap = EXPECTED_TAPS[name][2]
    part = base.build_tapped([tap])
    # The blocks of a transformer are of equal size.
    share = 0.6 if name in TOWER_PRESETS else 0.1
    assert part.count_params() < base.model.count_params() * share
    names = {layer.name for layer in part.layers}
    remaining = [tap for tap, layer in base.spec.find_taps(part.layers).items() if layer in names]
    assert remaining == EXPECTED_TAPS[name][:3]


def test_preprocessing_is_the_published_one(named_base):
    name, base = named_base
    colours = np.linspace(0, 255, 24, dtype=np.float32).reshape(1, 2, 4, 3)
    inputs = keras.Input((2, 4, 3))
    actual = keras.Model(inputs, base.preprocess(inputs))(colours)
    assert np.allclose(actual, PUBLISHED_PREPROCESSING[name](colours.copy()), atol=1e-4)


def test_a_base_does_its_own_preprocessing_where_its_row_says_so_and_only_there(named_base):
    """EfficientNetV2 chooses it by its own name, so another name would silently change it."""
    name, base = named_base
    before = itertools.takewhile(lambda layer: not layer.weights, base.model.layers)
    types = [type(layer).__name__ for layer in before]
    inside = [layer_type for layer_type in types if layer_type in ("Rescaling", "Normalization")]
    assert inside == LAYERS_INSIDE.get(name, [])
    assert (name in LAYERS_INSIDE) == (BASE_MODELS[name].preprocessing == "inside")


def test_a_free_input_size_computes_what_a_fixed_one_does(named_base):
    """A fixed size determines the padding; for multiples of size_multiple_px both agree."""
    name, base = named_base
    row = BASE_MODELS[name]
    side = min(row.min_size_px + row.size_multiple_px, row.max_size_px)
    fixed = base_models.build_base(name, side=side)
    fixed.set_weights(base.model.get_weights())
    x = noise(1, side, side, 3)
    assert largest_difference(base.model(x, training=False), fixed(x, training=False)) <= 1e-5


def test_feature_columns_cover_the_vector_without_gaps(named_base):
    name, base = named_base
    columns = layout.list_columns(base, (96, 128))
    assert columns[0].start == 0
    pairs = zip(columns, columns[1:], strict=False)
    assert all(column.stop == following.start for column, following in pairs)
    has_class_token = name in TOWER_PRESETS and TOWER_PRESETS[name].tower.class_token
    statistics = ("class", "mean", "std") if has_class_token else ("mean", "std")
    assert tuple(dict.fromkeys(column.statistic for column in columns)) == statistics
    assert columns[-1].stop == 2 * len(statistics) * sum(
        output.shape[-1] for output in base.build_tapped().outputs
    )


def test_a_frozen_base_learns_nothing_while_the_rest_of_the_model_is_trained(named_base):
    """`fit` passes training=True to every layer: only freezing stops BatchNormalization."""
    name, base = named_base
    part = base.build_tapped(EXPECTED_TAPS[name][:3])
    part.trainable = False
    before = part.get_weights()
    side = BASE_MODELS[name].min_size_px
    part(noise(2, side, side, 3), training=True)
    pairs = zip(before, part.get_weights(), strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return tmp_path_factory.mktemp("saved")


def test_features_are_those_of_the_published_pipeline_in_keras_and_in_onnx(named_base, saved):
    """Check the lower three tenths of the base, which contain every type of its layers."""
    name, base = named_base
    side = BASE_MODELS[name].min_size_px
    tap = EXPECTED_TAPS[name][len(EXPECTED_TAPS[name]) * 3 // 10]
    columns = [column for column in layout.list_columns(base, (side,)) if column.tap == tap]
    inputs = keras.Input((side, side, 3))
    model = keras.Model(
        inputs,
        layout.concatenate_columns(layout.compute_columns(inputs, base, columns), columns),
    )
    x = pixels(side)
    actual = np.asarray(model(x, training=False))
    preprocessed = PUBLISHED_PREPROCESSING[name](x.copy())
    published = np.asarray(base.build_tapped([tap])(preprocessed, training=False))
    first = published.mean(axis=tuple(range(1, published.ndim - 1)))
    if columns[0].statistic == "class":
        first = published[:, 0]
    assert largest_difference(actual[:, : published.shape[-1]], first) <= 1e-5

    onnx_export.export_onnx(model, saved / f"{name}.onnx")
    assert onnx_export.measure_parity(model, saved / f"{name}.onnx") <= onnx_export.MAX_PARITY_ERROR
    model.save(saved / f"{name}.keras")
    np.save(saved / f"{name}.npy", actual)


def test_what_was_saved_opens_in_a_second_process_without_our_code(saved):
    """ConvNeXt's LayerScale is not registered; Keras finds it by the module that the file names."""
    program = (
        "import keras, numpy, pathlib\n"
        "for path in sorted(pathlib.Path().glob('*.keras')):\n"
        "    expected = numpy.load(path.with_suffix('.npy'))\n"
        "    model = keras.saving.load_model(path)\n"
        "    side = model.input_shape[1]\n"
        "    x = numpy.random.default_rng(0).uniform(0, 255, (2, side, side, 3))\n"
        "    difference = numpy.abs(numpy.asarray(model(x.astype('float32'))) - expected).max()\n"
        "    print(path.stem, difference / max(1, numpy.abs(expected).max()) <= 1e-6)\n"
    )
    names = sorted(path.stem for path in saved.glob("*.keras"))
    process = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=saved,
        env=build_environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines() == [f"{name} True" for name in names]


def test_a_missing_keras_hub_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.delitem(sys.modules, "keras_hub.models", raising=False)
    with pytest.raises(
        console.PlainError,
        match="^resnet18 needs keras-hub: pip install -r requirements-keras-hub.txt",
    ):
        base_models.build_base("resnet18")
