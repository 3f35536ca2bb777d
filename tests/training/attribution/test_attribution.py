"""A generator is named only from its cut on, and the sentence about names says what was counted."""

import numpy as np
import pytest

from training.attribution.attribution import (
    AttributionCounts,
    GeneratorAttribution,
    NearestGenerator,
)
from training.attribution.head_outputs import find_nearest_generators

ATTRIBUTION = GeneratorAttribution(
    generators=("gan", "diffusion"),
    kernel=((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),
    bias=(0.0, 0.0, 0.0),
    cut=0.6,
    known=(
        AttributionCounts(generator="gan", images=60, groups=60, own=50, none=8),
        AttributionCounts(generator="diffusion", images=40, groups=30, own=30, none=7),
    ),
    left_out=(AttributionCounts(generator="gan", images=50, groups=40, own=0, none=30),),
    tensors=("first", "second"),
)


@pytest.mark.parametrize(
    ("probability", "closest", "words"),
    [
        (0.62, "gan", "closest to: gan (0.62)"),
        (0.6, "gan", "closest to: gan (0.60)"),
        (0.999, "gan", "closest to: gan (over 0.99)"),
        (0.59, None, "none of the known generators"),
    ],
)
def test_a_generator_is_named_from_its_cut_on(probability, closest, words):
    answer = ATTRIBUTION.answer(NearestGenerator("gan", probability))
    assert (answer.closest, answer.describe()) == (closest, words)
    assert answer.probability == (probability if closest else None)
    assert answer.known == ("gan", "diffusion")


def test_probabilities_are_those_of_photographs_and_generators_together():
    (nearest,) = ATTRIBUTION.find_nearest(np.array([[0.0, np.log(2)]]))
    assert nearest.name == "diffusion" and nearest.probability == pytest.approx(0.5)


def test_outputs_of_heads_are_weighted_and_averaged_over_qualities():
    first = np.array([[0, 1], [0, 3], [5, 0], [5, 0]], np.float32)
    second = np.array([[0, 0], [0, 2], [0, 0], [0, 0]], np.float32)
    batches = [[first[:2], second[:2]], [first[2:], second[2:]]]
    nearest = find_nearest_generators(ATTRIBUTION, (0.5, 0.25), 2, 2, batches)
    expected = ATTRIBUTION.find_nearest(np.array([[0.0, 1.25], [2.5, 0.0]]))
    assert nearest == expected


@pytest.mark.parametrize(
    "output",
    [
        np.full((2, 2), np.nan, np.float32),
        np.ones((2, 3), np.float32),
        np.ones((4, 2), np.float32),
        np.ones((), np.float32),
        np.ones((2, 2), int),
    ],
)
def test_outputs_that_are_not_those_of_the_heads_name_nothing(output):
    good = np.ones((2, 2), np.float32)
    nearest = find_nearest_generators(ATTRIBUTION, (0.5, 0.25), 1, 2, [[good, output]])
    assert nearest == [None]
    all_alike = [[output, output]]
    assert find_nearest_generators(ATTRIBUTION, (0.5, 0.25), 1, 2, all_alike) == [None]


def test_the_sentence_adds_up_what_was_counted():
    text = ATTRIBUTION.describe_worth()
    assert "the closest of 2 known generators" in text
    assert "of 100 images of these that it had not trained on and called generated, 80%" in text
    assert "5% another's, 15% none" in text
    assert "Of 50 called generated whose generator it was not trained on, 60% got none" in text
