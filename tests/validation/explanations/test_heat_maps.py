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
from training.head_search import heads
from validation import predictions
from validation.explanations import heat_maps
from validation.explanations.attribution import HEAT_MAP_GRID_SIDE, NumpyHead, resample_to_grid
from validation.explanations.heat_maps import HeatMapChecks
from validation.explanations.tapped_detector import TappedDetector


@pytest.fixture(scope="module")
def toy(workplace) -> Path:
    return workplace / "saved_models" / "toy"


@pytest.fixture(scope="module")
def anatomy(toy) -> TappedDetector:
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


def test_the_opened_detector_says_what_its_file_says(anatomy, scorer, pixels):
    logits = anatomy.look(pixels).logits
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(scorer.score(pixels), abs=1e-5)


def test_a_map_adds_up_to_the_first_order_share_of_every_feature(anatomy, pixels):
    """Gradient times distance from the average picture, summed over the features: for a linear
    head, the logit itself."""
    import tensorflow as tf

    look, columns = anatomy.look(pixels), anatomy.shares.columns
    stops = np.cumsum([column.stop - column.start for column in columns])
    parts = dict(zip(columns, np.split(look.features, stops[:-1], axis=1), strict=True))
    expected = np.zeros(len(pixels))
    for member in anatomy.parent.members:
        features = tf.constant(np.concatenate([parts[column] for column in member.columns], axis=1))
        with tf.GradientTape() as tape:
            tape.watch(features)
            logit = member.weight * member.head(features, training=False)
        average, _ = member.head.get_layer("standardise").get_weights()
        expected += np.sum(tape.gradient(logit, features) * (features - average), axis=1)
    # A deviation holds the constant 1e-6 under its root, which belongs to no place.
    assert look.maps.sum(axis=(1, 2)) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_shares_of_a_head_of_several_voices_are_its_logit_and_its_slope():
    keras.utils.set_random_seed(0)
    features = assign_generators(make_toy_features(), "gan", "diffusion", "gan")
    head = heads.combine_generator_outputs(
        heads.build_head(features, FEATURE_COLUMNS[:4], make_toy_spec(layers=1, units=8))
    )
    plain = NumpyHead.of(EnsembleMember(FEATURE_COLUMNS[:4], head, 0.5))
    x, *_ = features.make_arrays(FEATURE_COLUMNS[:4])
    logits, slopes = plain.logits(x[:5])
    assert np.allclose(logits, 0.5 * np.asarray(head(x[:5]))[:, 0], atol=1e-5)
    step = np.zeros(x.shape[1], np.float32)
    step[3] = 1e-2
    after, _ = plain.logits(x[:5] + step)
    assert np.allclose((after - logits) / 1e-2, slopes[:, 3], atol=1e-2)


def test_random_weights_make_other_maps_and_leave_the_detector_as_it_was(anatomy, pixels):
    before = anatomy.look(pixels[:2])
    with anatomy.randomised() as random:
        assert not np.allclose(random.look(pixels[:2]).maps, before.maps, rtol=0.1)
    after = anatomy.look(pixels[:2])
    assert np.array_equal(before.maps, after.maps)


def test_a_grid_of_another_size_keeps_what_it_adds_up_to():
    maps = np.random.default_rng(0).normal(size=(3, 10, 14))
    assert resample_to_grid(maps, HEAT_MAP_GRID_SIDE).sum(axis=(1, 2)) == pytest.approx(
        maps.sum(axis=(1, 2))
    )
    assert np.array_equal(resample_to_grid(maps[:, :7, :7], 7), maps[:, :7, :7])
    assert resample_to_grid(np.eye(14)[None], 7)[0] == pytest.approx(2 * np.eye(7))


def test_painting_over_fills_whole_cells_with_their_mean_colour_and_nothing_else():
    picture = np.random.default_rng(0).uniform(0, 255, (70, 70, 3)).astype(np.float32)
    painted = heat_maps.fill_cells_with_mean(picture, np.array([8]))
    assert np.allclose(painted[10:20, 10:20], picture[10:20, 10:20].mean(axis=(0, 1)))
    outside = np.ones((70, 70), bool)
    outside[10:20, 10:20] = False
    assert np.array_equal(painted[outside], picture[outside])


def test_a_map_that_points_at_the_evidence_wins_and_one_that_points_elsewhere_loses(toy, scorer):
    """The stand-in detector answers by the grain of the upper left cell alone."""
    picture = np.full((64, 64, 3), 128, np.uint8)
    picture[:9, :9] += np.random.default_rng(0).integers(0, 100, (9, 9, 3), dtype=np.uint8)
    by_grain = predictions.Scorer(
        name="",
        folder=toy,
        onnx_file=toy,
        sha256="",
        image_size=64,
        crop="centre",
        calibration=scorer.calibration,
    )
    by_grain.__dict__["run"] = lambda batch: (
        1 / (1 + np.exp(-batch[:, :9, :9].std(axis=(1, 2, 3)) / 10))
    )
    right, wrong = np.zeros((2, HEAT_MAP_GRID_SIDE, HEAT_MAP_GRID_SIDE))
    right[0, 0], wrong[6, 6], wrong[0, 0] = 1, 1, -1
    assert heat_maps._beats_random_masks(picture, right, by_grain)
    assert not heat_maps._beats_random_masks(picture, wrong, by_grain)


@pytest.mark.parametrize(
    ("masking_win_rate", "randomised_correlation", "passed"),
    [(0.9, 0.1, True), (0.6, 0.1, False), (0.9, 0.5, False)],
)
def test_maps_pass_both_checks_or_none_is_shown(masking_win_rate, randomised_correlation, passed):
    assert HeatMapChecks(64, masking_win_rate, randomised_correlation).passed == passed
    assert not HeatMapChecks(
        3, masking_win_rate, randomised_correlation
    ).passed  # a useless map wins three of three once in eight times


def test_kept_maps_need_no_keras(workplace, records, anatomy, scorer):
    folder = workplace / "data" / "faces"
    first = heat_maps.compute_heat_maps(folder, records[:3], lambda: anatomy, scorer)

    def never():
        raise AssertionError("opened again")

    assert np.array_equal(first, heat_maps.compute_heat_maps(folder, records[:3], never, scorer))
