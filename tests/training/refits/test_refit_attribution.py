"""Naming a generator is fitted on heads that had not met the image, and measured on generators
left out."""

from dataclasses import replace

import numpy as np
import pytest

from training.refits.refit_attribution import NONE_SHARE, fit_attribution
from training.refits.refit_heads import HeldOutScores, RefitImages
from training.refits.refit_scores import RefitScores

GENERATORS = ("diffusion", "gan", "warp")
IMAGES_OF_EACH = 60
CUT = 0.5


def make_images() -> RefitImages:
    """Return images of a camera and of three generators; each is a group of its own."""
    sources = np.repeat(["camera", *GENERATORS], IMAGES_OF_EACH)
    return RefitImages(
        columns=[],
        values=np.zeros((len(sources), 1, 1)),
        judged=np.zeros((len(sources), 2, 1)),
        labels=(sources != "camera").astype(int),
        sources=sources,
        groups=np.arange(len(sources)).astype(str),
    )


def make_scores(images: RefitImages, gap: float = 4.0, unknown_gap: float = 1.0) -> RefitScores:
    """Return scores in which an image's own generator has an output higher by the gap; a generator
    left out raises some other one by `unknown_gap`. All but photographs are called generated."""
    random = np.random.default_rng(0)

    def score(rows: np.ndarray, raised: np.ndarray, rise: float) -> HeldOutScores:
        outputs = random.normal(size=(len(rows), 2, len(GENERATORS)))
        generated = images.labels[rows] == 1
        outputs += np.where(generated, 2.0, -4.0)[:, None, None]
        outputs[generated, :, raised[generated]] += rise
        return HeldOutScores(np.where(generated, 3.0, -3.0)[:, None].repeat(2, 1), outputs)

    names = list(GENERATORS)
    own = np.array([names.index(name) if name in names else 0 for name in images.sources])
    sources = {}
    for number, name in enumerate(GENERATORS):
        rows = np.flatnonzero(images.sources == name)
        other = (number + random.integers(1, len(GENERATORS), len(rows))) % len(GENERATORS)
        scores = score(rows, other, unknown_gap)
        scores.generator_logits[:, :, number] = np.nan
        sources[1, name] = scores
    return RefitScores(score(np.arange(len(own)), own, gap), sources)


IMAGES = make_images()


def fit(scores: RefitScores, generators=GENERATORS, above: float | None = CUT):
    return fit_attribution(IMAGES, scores, generators, above)


def test_outputs_that_tell_generators_apart_get_their_own_name():
    attribution = fit(make_scores(IMAGES))
    images = sum(row.images for row in attribution.known)
    assert images == 3 * IMAGES_OF_EACH
    assert sum(row.own for row in attribution.known) > 0.8 * images
    outputs = np.full((3, 3), 2.0) + 4 * np.eye(3)
    nearest = attribution.find_nearest(outputs)
    assert [row.name for row in nearest] == list(GENERATORS)
    assert all(attribution.answer(row).closest == row.name for row in nearest)


def test_outputs_that_say_nothing_give_the_share_of_chance():
    attribution = fit(make_scores(IMAGES, gap=0.0))
    images = sum(row.images for row in attribution.known)
    assert sum(row.own for row in attribution.known) < 0.5 * images
    (nearest,) = attribution.find_nearest(np.full((1, 3), 2.0))
    assert 0.2 < nearest.probability < 0.5


@pytest.mark.parametrize("unknown_gap", [0.0, 1.0, 4.0])
def test_half_of_the_images_of_generators_left_out_get_no_name(unknown_gap):
    """Also where they look like a known one: the cut then goes up, and known ones lose names."""
    attribution = fit(make_scores(IMAGES, unknown_gap=unknown_gap))
    images, none = (
        sum(getattr(row, name) for row in attribution.left_out) for name in ("images", "none")
    )
    assert images == 3 * IMAGES_OF_EACH
    # each is counted at the cut of the other two, so chance may take a few away
    assert none / images > NONE_SHARE - 0.1
    assert all(row.own == 0 for row in attribution.left_out)


def test_a_generator_left_out_does_not_set_the_cut_that_it_is_counted_at():
    scores = make_scores(IMAGES)
    certain = scores.sources[1, "gan"].generator_logits.copy()
    certain[:, :, 0] += 50.0
    odd = {
        **scores.sources,
        (1, "gan"): replace(scores.sources[1, "gan"], generator_logits=certain),
    }
    before, after = fit(scores), fit(RefitScores(scores.folds, odd))
    assert after.cut > before.cut
    (row,) = [row for row in after.left_out if row.generator == "gan"]
    assert row.none == 0


def test_only_images_that_are_called_generated_count():
    scores = make_scores(IMAGES)
    logits = scores.folds.logits.copy()
    logits[IMAGES.sources == "gan", 1] = -3.0  # one quality is enough
    attribution = fit(replace(scores, folds=replace(scores.folds, logits=logits)))
    assert [row.generator for row in attribution.known] == ["diffusion", "warp"]


def test_two_generators_are_told_apart_too():
    attribution = fit(make_scores(IMAGES), GENERATORS[:2])
    assert attribution.generators == GENERATORS[:2]
    assert [row.generator for row in attribution.left_out] == list(GENERATORS[:2])
    assert np.shape(attribution.kernel) == (3, 2)


def test_nothing_is_named_that_was_not_measured():
    scores = make_scores(IMAGES)
    few = {
        key: replace(part, logits=np.where(np.arange(60)[:, None] < 5, part.logits, -3.0))
        for key, part in scores.sources.items()
    }
    assert fit(RefitScores(scores.folds, few)) is None
    assert fit(RefitScores(scores.folds, {})) is None
    assert fit(scores, above=None) is None
    assert fit(scores, GENERATORS[:1]) is None
    single_output = np.full_like(scores.folds.generator_logits, np.nan)
    assert fit(replace(scores, folds=replace(scores.folds, generator_logits=single_output))) is None
