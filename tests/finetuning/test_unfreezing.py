"""The right blocks are unfrozen, and the guard sees when something else was trained."""

import keras
import numpy as np
import pytest

from finetuning import unfreezing
from finetuning.unfreezing import Guard, GuardError, split_into_blocks, unfreeze_blocks
from runtime import console
from training.bases.base_models import build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import detector_parts

SIDE_PX = 64


@pytest.fixture(scope="module", params=["mobilenet_v2", "xception"])
def base(request) -> LoadedBase:
    keras.utils.set_random_seed(0)
    return LoadedBase.from_model(build_base(request.param))


@pytest.fixture
def mobilenet() -> LoadedBase:
    keras.utils.set_random_seed(0)
    return LoadedBase.from_model(build_base("mobilenet_v2"))


def build_classifier(base: LoadedBase) -> keras.Model:
    pixels = keras.Input((SIDE_PX, SIDE_PX, 3))
    model = keras.Model(
        pixels,
        keras.layers.Dense(1)(
            keras.layers.GlobalAveragePooling2D()(base.model(pixels, training=False))
        ),
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    # Compiling takes longer than the one step of a test.
    model.compile(keras.optimizers.Adam(1e-3), loss, run_eagerly=True)
    return model


def train(model: keras.Model) -> None:
    pixels = np.random.default_rng(0).normal(size=(4, SIDE_PX, SIDE_PX, 3))
    model.fit(pixels, np.array([[0.0], [1.0], [0.0], [1.0]]), verbose=0)


def train_with_guard(
    base: LoadedBase, n_unfrozen: int, n_expected: int, unfreeze=unfreeze_blocks
) -> tuple[Guard, keras.Model]:
    """Train a model for one step; return it with a guard that expects `n_expected` unfrozen
    blocks."""
    blocks = split_into_blocks(base)
    unfreeze(base, blocks[:n_unfrozen])
    guard, model = Guard(blocks, n_expected), build_classifier(base)
    train(model)
    return guard, model


def test_every_layer_belongs_to_one_block_and_blocks_are_named_from_the_top(base):
    blocks = split_into_blocks(base)
    names = base.list_tap_names()
    assert [block.name for block in blocks] == names[::-1]
    assert [block.tap_below for block in blocks] == [*names[-2::-1], ""]
    layers = [layer.name for block in blocks for layer in block.layers]
    assert sorted(layers) == sorted(
        layer.name for layer in base.model.layers if not isinstance(layer, keras.layers.InputLayer)
    )


def test_a_base_that_was_cut_has_the_blocks_that_are_left(base):
    name = base.list_tap_names()[5]
    assert split_into_blocks(LoadedBase.from_model(base.build_tapped([name])))[0].name == name


def test_a_depth_is_a_number_or_the_name_of_the_lowest_block(mobilenet):
    blocks = split_into_blocks(mobilenet)
    texts = ("1", "4", "99", "top", "block14", "stem")
    depths = [unfreezing.parse_max_depth(text, blocks) for text in texts]
    assert depths == [1, 4, 19, 1, 4, 19]
    for text in ("0", "-1", "block41", "", "\u00b2"):
        with pytest.raises(console.PlainError, match="give a number of blocks, or one of"):
            unfreezing.parse_max_depth(text, blocks)
    with pytest.raises(console.PlainError, match="block14"):
        unfreezing.parse_max_depth("blok14", blocks)


def test_only_unfrozen_blocks_change_and_batch_statistics_stay(mobilenet):
    normalisation = [
        layer
        for layer in mobilenet.model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    before = [unfreezing.copy_weight(weight) for layer in normalisation for weight in layer.weights]
    guard, model = train_with_guard(mobilenet, n_unfrozen=2, n_expected=2)
    changes = guard.check(model)
    assert [change.block for change in changes] == ["top", "block16"]
    assert all(change.largest > 0 for change in changes)
    assert changes[0].parameters == 320 * 1280
    after = [unfreezing.copy_weight(weight) for layer in normalisation for weight in layer.weights]
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_batch_statistics_that_drift_are_caught(mobilenet):
    """They drift if BatchNormalization is unfrozen and the base is only called with
    training=False."""

    def unfreeze_normalisation_too(base, blocks):
        unfreeze_blocks(base, blocks)
        for layer in blocks[0].layers:
            layer.trainable = True

    guard, model = train_with_guard(
        mobilenet, n_unfrozen=1, n_expected=1, unfreeze=unfreeze_normalisation_too
    )
    with pytest.raises(GuardError, match="BatchNormalization of top must keep its gamma"):
        guard.check(model)


def test_a_frozen_base_with_dropout_gives_the_same_answers_inside_fit():
    keras.utils.set_random_seed(0)
    base = LoadedBase.from_model(build_base("efficientnet_v2_b0"))
    unfreeze_blocks(base, [])
    model = build_classifier(base)
    x = np.random.default_rng(0).normal(size=(4, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    logits = [np.asarray(model(x, training=training)) for training in (False, True)]
    assert not np.array_equal(*logits)
    detector_parts.disable_dropout(base.model)
    assert np.array_equal(logits[0], np.asarray(model(x, training=True)))


def test_the_notebooks_bug_is_caught_one_model_is_unfrozen_and_another_trained(mobilenet):
    model = build_classifier(mobilenet)
    mobilenet.model.trainable = False
    # the same network, but not the base that `model` was built on
    other = LoadedBase.from_model(build_base("mobilenet_v2"))
    unfreeze_blocks(other, split_into_blocks(other)[:2])
    guard = Guard(split_into_blocks(mobilenet), 2)
    train(model)
    with pytest.raises(
        GuardError,
        match="top was unfrozen, but this model trains 0 of its 5 weights and 0 changed",
    ):
        guard.check(model)


def test_a_frozen_block_that_changes_is_caught(mobilenet):
    guard, model = train_with_guard(mobilenet, n_unfrozen=1, n_expected=1)
    frozen = split_into_blocks(mobilenet)[3]
    weight = frozen.layers[0].weights[0]
    weight.assign(weight + 1e-6)
    with pytest.raises(
        GuardError, match=f"{frozen.name} must stay frozen, but 1 of its weights changed"
    ):
        guard.check(model)


def test_more_unfrozen_blocks_than_expected_are_caught(mobilenet):
    guard, model = train_with_guard(mobilenet, n_unfrozen=3, n_expected=2)
    with pytest.raises(GuardError, match="block15 must stay frozen"):
        guard.check(model)
