"""The right blocks are opened, and the guard sees when something else was trained."""

import keras
import numpy as np
import pytest

from finetuning import unfreezing
from finetuning.unfreezing import Guard, GuardError, split_into_blocks, unfreeze_blocks
from runtime import console
from training.bases.base_models import build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import detector_parts

FEW = 64


@pytest.fixture(scope="module", params=["mobilenet_v2", "xception"])
def base(request) -> LoadedBase:
    keras.utils.set_random_seed(0)
    return LoadedBase.from_model(build_base(request.param))


@pytest.fixture
def mobilenet() -> LoadedBase:
    keras.utils.set_random_seed(0)
    return LoadedBase.from_model(build_base("mobilenet_v2"))


def classifier(base: LoadedBase) -> keras.Model:
    pixels = keras.Input((FEW, FEW, 3))
    model = keras.Model(
        pixels,
        keras.layers.Dense(1)(
            keras.layers.GlobalAveragePooling2D()(base.model(pixels, training=False))
        ),
    )
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def train(model: keras.Model) -> None:
    draw = np.random.default_rng(0)
    model.fit(draw.normal(size=(4, FEW, FEW, 3)), np.array([[0.0], [1.0], [0.0], [1.0]]), verbose=0)


def guarded(
    base: LoadedBase, opened: int, watched: int, opening=unfreeze_blocks
) -> tuple[Guard, keras.Model]:
    """A model after one step with `opened` blocks open, and a guard that expects `watched` of them
    to be."""
    found = split_into_blocks(base)
    opening(base, found[:opened])
    guard, model = Guard(found, watched), classifier(base)
    train(model)
    return guard, model


def test_every_layer_belongs_to_one_block_and_blocks_are_named_from_the_top(base):
    found = split_into_blocks(base)
    names = base.list_tap_names()
    assert [block.name for block in found] == names[::-1]
    assert [block.tap_below for block in found] == [*names[-2::-1], ""]
    layers = [layer.name for block in found for layer in block.layers]
    assert sorted(layers) == sorted(
        layer.name for layer in base.model.layers if not isinstance(layer, keras.layers.InputLayer)
    )


def test_a_base_that_was_cut_has_the_blocks_that_are_left(base):
    name = base.list_tap_names()[5]
    assert split_into_blocks(LoadedBase.from_model(base.build_tapped([name])))[0].name == name


def test_a_depth_is_a_number_or_the_name_of_the_lowest_block(mobilenet):
    found = split_into_blocks(mobilenet)
    assert [
        unfreezing.parse_max_depth(wanted, found)
        for wanted in ("1", "4", "99", "top", "block14", "stem")
    ] == [
        1,
        4,
        19,
        1,
        4,
        19,
    ]
    for wanted in ("0", "-1", "block41", "", "\u00b2"):
        with pytest.raises(console.PlainError, match="give a number of blocks, or one of"):
            unfreezing.parse_max_depth(wanted, found)
    with pytest.raises(console.PlainError, match="block14"):
        unfreezing.parse_max_depth("blok14", found)


def test_only_opened_blocks_move_and_batch_statistics_stay(mobilenet):
    normal = [
        layer
        for layer in mobilenet.model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    before = [unfreezing.copy_weight(weight) for layer in normal for weight in layer.weights]
    guard, model = guarded(mobilenet, opened=2, watched=2)
    moved = guard.check(model)
    assert [one.block for one in moved] == ["top", "block16"] and all(
        one.largest > 0 for one in moved
    )
    assert moved[0].parameters == 320 * 1280
    after = [unfreezing.copy_weight(weight) for layer in normal for weight in layer.weights]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_batch_statistics_that_drift_are_caught(mobilenet):
    """As they do when blocks are opened whole and the base is only called with training=False."""

    def open_whole(base, opened):
        unfreeze_blocks(base, opened)
        for layer in opened[0].layers:
            layer.trainable = True

    guard, model = guarded(mobilenet, opened=1, watched=1, opening=open_whole)
    with pytest.raises(
        GuardError, match="BatchNormalization of top must stay in inference mode, but changed"
    ):
        guard.check(model)


def test_a_frozen_base_says_the_same_inside_fit_even_if_it_has_dropout():
    keras.utils.set_random_seed(0)
    base = LoadedBase.from_model(build_base("efficientnet_v2_b0"))
    unfreeze_blocks(base, [])
    model = classifier(base)
    x = np.random.default_rng(0).normal(size=(4, FEW, FEW, 3)).astype(np.float32)
    said = [np.asarray(model(x, training=mode)) for mode in (False, True)]
    assert not np.array_equal(*said)
    detector_parts.disable_dropout(base.model)
    assert np.array_equal(said[0], np.asarray(model(x, training=True)))


def test_the_notebooks_bug_is_caught_one_model_is_opened_and_another_trained(mobilenet):
    model = classifier(mobilenet)
    mobilenet.model.trainable = False
    # looks alike, and is not the base that `model` was built on
    opened = LoadedBase.from_model(build_base("mobilenet_v2"))
    unfreeze_blocks(opened, split_into_blocks(opened)[:2])
    guard = Guard(split_into_blocks(mobilenet), 2)
    train(model)
    with pytest.raises(
        GuardError,
        match="top was unfrozen, but this model trains 0 of its 5 weights and 0 changed",
    ):
        guard.check(model)


def test_a_frozen_block_that_moves_is_caught(mobilenet):
    guard, model = guarded(mobilenet, opened=1, watched=1)
    frozen = split_into_blocks(mobilenet)[3]
    weight = frozen.layers[0].weights[0]
    weight.assign(weight + 1e-6)
    with pytest.raises(
        GuardError, match=f"{frozen.name} must stay frozen, but 1 of its weights changed"
    ):
        guard.check(model)


def test_more_blocks_opened_than_asked_for_are_caught(mobilenet):
    guard, model = guarded(mobilenet, opened=3, watched=2)
    with pytest.raises(GuardError, match="block15 must stay frozen"):
        guard.check(model)
