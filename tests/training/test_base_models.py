"""Every row of BASE_MODELS: taps at every block boundary, preprocessing as its authors published it, sizes that fit."""

import keras
import numpy as np
import pytest

from training import base_models, detector
from training.base_models import BASE_MODELS

EXPECTED_TAPS = {
    "mobilenet_v2": ["stem", *(f"block{n}" for n in range(17)), "top"],
    "xception": [*(f"block{n}" for n in range(1, 14)), "top"],
}
CHANNELS = {"mobilenet_v2": (32, 16, 24, 24, 32), "xception": (64, 128, 256, 728)}


@pytest.fixture(scope="module", params=list(BASE_MODELS))
def named_base(request):
    return request.param, base_models.build(request.param)


def test_taps_stand_at_every_block_boundary(named_base):
    name, base = named_base
    tapped = base_models.tapped(base, name)
    assert base_models.tap_names(base, name) == EXPECTED_TAPS[name]
    channels = [output.shape[-1] for output in tapped.outputs]
    assert tuple(channels[: len(CHANNELS[name])]) == CHANNELS[name]
    assert tapped.outputs[-1] is base.output


def test_a_wanted_tap_leaves_out_all_that_lies_above_it(named_base):
    name, base = named_base
    tap = EXPECTED_TAPS[name][2]
    part = base_models.tapped(base, name, [tap])
    assert part.count_params() < base.count_params() / 20


def test_preprocessing_is_the_published_one(named_base):
    name, _ = named_base
    module = {"mobilenet_v2": keras.applications.mobilenet_v2, "xception": keras.applications.xception}[name]
    pixels = np.linspace(0, 255, 24, dtype=np.float32).reshape(1, 2, 4, 3)
    scale, offset = BASE_MODELS[name].rescaling
    assert np.allclose(pixels * scale + offset, module.preprocess_input(pixels.copy()), atol=1e-6)


def test_a_free_input_size_computes_what_a_fixed_one_does(named_base):
    """Padding depends on the size where it is fixed; multiples of the row's number make both agree."""
    name, base = named_base
    row = BASE_MODELS[name]
    side = row.smallest + row.multiple
    fixed = getattr(keras.applications, row.constructor)(include_top=False, weights=None, input_shape=(side, side, 3))
    fixed.set_weights(base.get_weights())
    noise = np.random.default_rng(0).normal(size=(1, side, side, 3)).astype(np.float32)
    ours, theirs = base.predict_on_batch(noise), fixed.predict_on_batch(noise)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(theirs).max())


def test_feature_columns_cover_the_vector_without_gaps(named_base):
    name, base = named_base
    columns = detector.layout(base, name, (96, 128))
    assert columns[0].start == 0
    assert all(one.stop == other.start for one, other in zip(columns, columns[1:], strict=False))
    assert columns[-1].stop == 2 * 2 * sum(output.shape[-1] for output in base_models.tapped(base, name).outputs)
