"""Heat maps add up to the logit they explain, find planted evidence, and are hidden when their
checks fail."""

from pathlib import Path

import keras
import numpy as np
import pytest

from data_collection.dataset import manifest
from toys.features import FEATURE_COLUMNS, assign_generators, make_toy_features, make_toy_spec
from training.detectors import card, detector_parts
from training.detectors.assembly import EnsembleMember
from training.features.layout import Column
from training.head_search import heads
from validation import predictions
from validation.explanations import heat_maps
from validation.explanations.attribution import (
    HEAT_MAP_GRID_SIDE,
    Attributor,
    NumpyHead,
    resample_to_grid,
)
from validation.explanations.heat_maps import HeatMapChecks
from validation.explanations.tapped_detector import TappedDetector


@pytest.fixture(scope="module")
def toy(workplace) -> Path:
    return workplace / "saved_models" / "toy"


@pytest.fixture(scope="module")
def detector(toy) -> TappedDetector:
    return TappedDetector(detector_parts.load_detector_parts(toy))


@pytest.fixture(scope="module")
def scorer(toy) -> predictions.Scorer:
    return predictions.load_scorers(toy, card.read_card(toy))[0]


@pytest.fixture(scope="module")
def records(workplace):
    return manifest.select_accepted(
        manifest.read_manifest(workplace / "data" / "faces"), "hold-out"
    )


@pytest.fixture(scope="module")
def pixels(workplace, records, scorer):
    return heat_maps.load_canonical_pixels(workplace / "data" / "faces", records, scorer)


def test_the_tapped_detector_gives_what_its_file_gives(detector, scorer, pixels):
    logits = detector.compute_attribution(pixels).logits
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(scorer.score(pixels), abs=1e-5)


def test_a_map_adds_up_to_the_first_order_share_of_every_feature(detector, pixels):
    """The sum over the features of gradient times distance from the mean; for a linear head, the
    logit itself."""
    import tensorflow as tf

    attribution, columns = detector.compute_attribution(pixels), detector.attributor.columns
    stops = np.cumsum([column.stop - column.start for column in columns])
    parts = dict(zip(columns, np.split(attribution.features, stops[:-1], axis=1), strict=True))
    expected = np.zeros(len(pixels))
    for member in detector.parts.members:
        features = tf.constant(np.concatenate([parts[column] for column in member.columns], axis=1))
        with tf.GradientTape() as tape:
            tape.watch(features)
            logit = member.weight * member.head(features, training=False)
        mean, _ = member.head.get_layer("standardise").get_weights()
        expected += np.sum(tape.gradient(logit, features) * (features - mean), axis=1)
    # A deviation has the constant 1e-6 under its root, which belongs to no position.
    assert attribution.maps.sum(axis=(1, 2)) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_a_numpy_head_of_several_outputs_has_the_logit_and_the_gradient_of_keras():
    keras.utils.set_random_seed(0)
    features = assign_generators(make_toy_features(), "gan", "diffusion", "gan")
    head = heads.combine_generator_outputs(
        heads.build_head(features, FEATURE_COLUMNS[:4], make_toy_spec(layers=1, units=8))
    )
    plain = NumpyHead.from_member(EnsembleMember(FEATURE_COLUMNS[:4], head, 0.5))
    x, *_ = features.make_arrays(FEATURE_COLUMNS[:4])
    logits, gradients = plain.compute_logits(x[:5])
    assert np.allclose(logits, 0.5 * np.asarray(head(x[:5]))[:, 0], atol=1e-5)
    step = np.zeros(x.shape[1], np.float32)
    step[3] = 1e-2
    after, _ = plain.compute_logits(x[:5] + step)
    assert np.allclose((after - logits) / 1e-2, gradients[:, 3], atol=1e-2)


def test_random_weights_make_other_maps_and_leave_the_detector_as_it_was(detector, pixels):
    before = detector.compute_attribution(pixels[:2])
    with detector.with_random_weights() as random:
        assert not np.allclose(random.compute_attribution(pixels[:2]).maps, before.maps, rtol=0.1)
    after = detector.compute_attribution(pixels[:2])
    assert np.array_equal(before.maps, after.maps)


def test_a_patch_is_mapped_to_its_place_and_a_class_token_to_the_whole_picture():
    columns = [Column(224, "block0", name, n, n + 1) for n, name in enumerate(("class", "mean"))]
    head = NumpyHead(
        columns=columns,
        mean=np.zeros(2, np.float32),
        scale=np.ones(2, np.float32),
        layers=[(np.array([[2.0], [3.0]], np.float32), np.zeros(1, np.float32))],
        weight=1.0,
    )
    tokens = np.zeros((1, 1 + HEAT_MAP_GRID_SIDE**2, 1), np.float32)
    tokens[0, 0], tokens[0, 1 + HEAT_MAP_GRID_SIDE + 4] = 5, 98
    attribution = Attributor([head]).compute_attribution({(224, "picture", "block0"): tokens})
    assert attribution.features.tolist() == [[5, 2]]
    assert attribution.logits == pytest.approx([16])
    (cells,) = attribution.maps
    assert cells[1, 4] == pytest.approx(6 + 10 / 49)
    assert np.delete(cells.ravel(), HEAT_MAP_GRID_SIDE + 4) == pytest.approx(10 / 49)


def test_a_grid_of_another_size_keeps_what_it_adds_up_to():
    maps = np.random.default_rng(0).normal(size=(3, 10, 14))
    assert resample_to_grid(maps, HEAT_MAP_GRID_SIDE).sum(axis=(1, 2)) == pytest.approx(
        maps.sum(axis=(1, 2))
    )
    assert np.array_equal(resample_to_grid(maps[:, :7, :7], 7), maps[:, :7, :7])
    assert resample_to_grid(np.eye(14)[None], 7)[0] == pytest.approx(2 * np.eye(7))


def test_masking_fills_whole_cells_with_their_mean_colour_and_nothing_else():
    picture = np.random.default_rng(0).uniform(0, 255, (70, 70, 3)).astype(np.float32)
    filled = heat_maps.fill_cells_with_mean(picture, np.array([8]))
    assert np.allclose(filled[10:20, 10:20], picture[10:20, 10:20].mean(axis=(0, 1)))
    outside = np.ones((70, 70), bool)
    outside[10:20, 10:20] = False
    assert np.array_equal(filled[outside], picture[outside])


def test_a_map_that_points_at_the_evidence_wins_and_one_that_points_elsewhere_loses(toy, scorer):
    """The stand-in detector uses only the grain of the upper left cell."""
    picture = np.full((64, 64, 3), 128, np.uint8)
    picture[:9, :9] += np.random.default_rng(0).integers(0, 100, (9, 9, 3), dtype=np.uint8)
    by_grain = predictions.Scorer(
        name="",
        folder=toy,
        read_model=bytes,
        sha256="",
        image_size=64,
        crop="centre",
        qualities=(90,),
        calibration=scorer.calibration,
    )
    by_grain.__dict__["score"] = lambda batch: (
        1 / (1 + np.exp(-batch[:, :9, :9].std(axis=(1, 2, 3)) / 10))
    )
    right, wrong = np.zeros((2, HEAT_MAP_GRID_SIDE, HEAT_MAP_GRID_SIDE))
    right[0, 0], wrong[6, 6], wrong[0, 0] = 1, 1, -1
    assert heat_maps._beats_random_masks(picture, right, by_grain)
    assert not heat_maps._beats_random_masks(picture, wrong, by_grain)


@pytest.mark.parametrize(
    ("win_rate", "correlation", "passed"), [(0.9, 0.1, True), (0.6, 0.1, False), (0.9, 0.5, False)]
)
def test_maps_pass_both_checks_or_none_is_shown(win_rate, correlation, passed):
    assert HeatMapChecks(64, win_rate, correlation).passed == passed
    assert not HeatMapChecks(
        3, win_rate, correlation
    ).passed  # a useless map wins three of three once in eight times


def test_cached_maps_need_no_keras(workplace, records, detector, scorer):
    folder = workplace / "data" / "faces"
    first = heat_maps.compute_heat_maps(folder, records[:3], lambda: detector, scorer)

    def never():
        raise AssertionError("the detector was loaded again")

    assert np.array_equal(first, heat_maps.compute_heat_maps(folder, records[:3], never, scorer))
