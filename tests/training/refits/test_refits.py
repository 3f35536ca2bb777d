"""Refits never see what they score, and their scores set cuts and judge sources left out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import logit, logsumexp
from sklearn.linear_model import LogisticRegression

from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH, make_toy_spec
from training.cuts.choose_cuts import CutTargets
from training.cuts.left_out import (
    count_left_out_answers,
    describe_left_out_answers,
    describe_precision,
)
from training.head_search.head_trainer import HeadTrainingPlan
from training.refits.refit_cuts import RefitCuts, set_refit_cuts
from training.refits.refit_heads import (
    HeldOutScores,
    RefitEnsemble,
    RefitImages,
    score_held_out_rows,
)
from training.refits.refit_scores import RefitScores, list_sources_left_out, score_by_refits

TARGETS = CutTargets(false_alarms=0.05, misses=0.05)
SOURCES = {0: ("camera", "phone", "archive"), 1: ("gan", "diffusion")}


def make_images(count: int = 240, group_size: int = 2, gap: float = 2.0) -> RefitImages:
    """Return noise of which the first eight numbers separate the classes; images of a group are
    nearly equal."""
    random = np.random.default_rng(0)
    labels = np.arange(count) // group_size % 2
    groups = np.arange(count) // group_size
    centres = random.normal(size=(count // group_size, FEATURE_WIDTH))[groups]
    values = centres[:, None] + 0.1 * random.normal(size=(count, 2, FEATURE_WIDTH))
    values[:, :, :8] += gap * labels[:, None, None]
    names = [
        SOURCES[label][group // 2 % len(SOURCES[label])]
        for label, group in zip(labels, groups, strict=True)
    ]
    return RefitImages(
        columns=FEATURE_COLUMNS,
        values=values.astype(np.float32),
        judged=values.astype(np.float32),
        labels=labels,
        sources=np.array(names),
        groups=groups.astype(str),
    )


ENSEMBLE = RefitEnsemble(
    plans=[
        HeadTrainingPlan(
            spec=make_toy_spec(learning_rate=0.01),
            columns=FEATURE_COLUMNS,
            epochs=10,
            patience=10,
            seed=(0, 1),
        )
    ],
    temperatures=[2.0],
    batch_size=16,
    seed=0,
)


def set_cuts(images: RefitImages) -> RefitCuts:
    return set_refit_cuts(images, score_by_refits(images, ENSEMBLE), TARGETS, 0.5, 2.0)


def test_a_refit_does_not_see_the_groups_that_it_scores():
    images = make_images()
    held_out = np.flatnonzero(np.isin(images.groups, ["4", "7"]))[:1]
    (before,) = score_held_out_rows(images, ENSEMBLE, [held_out])
    altered = images.values.copy()
    altered[np.isin(images.groups, images.groups[held_out])] = 1e3  # also its other image
    _, after = score_held_out_rows(
        replace(images, values=altered), ENSEMBLE, [np.array([0]), held_out]
    )
    assert np.array_equal(after.logits, before.logits)
    assert np.array_equal(after.generator_logits, before.generator_logits)


@pytest.mark.parametrize("single_output", [True, False])
def test_a_refit_is_logistic_regression_on_the_other_images_with_as_many_outputs(single_output):
    images = make_images(gap=0.5)
    spec = make_toy_spec(learning_rate=0.0, l2_penalty=1e-3)
    plan = HeadTrainingPlan(spec=spec, columns=FEATURE_COLUMNS, epochs=1, patience=1)
    ensemble = replace(ENSEMBLE, plans=[plan], temperatures=[1.0], single_output=single_output)
    held_out = np.flatnonzero(images.groups == "4")
    (scores,) = score_held_out_rows(images, ensemble, [held_out])
    rows = np.flatnonzero(images.groups != "4")
    x = images.values[rows].reshape(-1, FEATURE_WIDTH)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    outputs = []
    for generators in (SOURCES[1],) if single_output else [[name] for name in SOURCES[1]]:
        used = (images.labels[rows] == 0) | np.isin(images.sources[rows], generators)
        rows_x = (x[np.repeat(used, 2)] - mean) / scale
        model = LogisticRegression(
            C=1 / (1e-3 * FEATURE_WIDTH * len(rows_x)), class_weight="balanced", max_iter=1000
        ).fit(rows_x, np.repeat(images.labels[rows][used], 2))
        judged = (images.judged[held_out] - mean) / scale
        outputs.append(judged @ model.coef_[0] + model.intercept_)
    expected = logsumexp(outputs, axis=0) - np.log(len(outputs))
    assert scores.logits == pytest.approx(expected, abs=0.05)
    if single_output:
        assert np.isnan(scores.generator_logits).all()
    else:
        by_name = dict(zip(SOURCES[1], outputs, strict=True))
        for number, name in enumerate(images.list_sources(1)):
            found = scores.generator_logits[:, :, number]
            assert found == pytest.approx(by_name[name], abs=0.05), name


def test_scores_of_random_labels_are_those_of_chance():
    images = make_images(gap=0.0)
    logits = score_by_refits(images, ENSEMBLE).folds.logits.mean(axis=1)
    real, generated = logits[images.labels == 0], logits[images.labels == 1]
    assert abs(np.mean(real[:, None] < generated) - 0.5) < 0.12


@pytest.mark.parametrize("one_source", [False, True])
def test_too_few_groups_for_folds_have_no_scores_and_no_cuts(one_source):
    images = make_images(60)
    images = replace(images, groups=np.where(images.labels == 0, "one person", images.groups))
    if one_source:
        images = replace(images, sources=np.where(images.labels == 0, "camera", "gan"))
    assert np.isnan(score_by_refits(images, ENSEMBLE).folds.logits).all()
    cuts = set_cuts(images)
    assert cuts.calibration.point.limits == (None, None)


@pytest.fixture(scope="module")
def cuts():
    return set_cuts(make_images())


def test_every_source_is_scored_by_heads_that_had_not_met_it(cuts):
    assert [(row.source, row.label) for row in cuts.left_out] == [
        ("archive", 0),
        ("camera", 0),
        ("phone", 0),
        ("diffusion", 1),
        ("gan", 1),
    ]
    assert sum(len(row.lowest) for row in cuts.left_out) == 240
    counts = count_left_out_answers(cuts.left_out, cuts.calibration, cuts.calibration.point)
    assert all(row.generated + row.real <= row.images for row in counts)
    assert sum(row.generated for row in counts if row.label) > 60
    photographs, generators = describe_left_out_answers(counts)
    assert photographs.startswith("Of 120 photographs from 3 sources that it was not trained on, ")
    assert generators.startswith("Of 120 images of 2 generators that it was not trained on, ")


def test_what_an_alarm_is_worth_follows_from_the_sources_left_out(cuts):
    counts = count_left_out_answers(cuts.left_out, cuts.calibration, cuts.calibration.point)
    real, generated = (
        sum(row.generated for row in counts if row.label == label) / 120 for label in (0, 1)
    )
    (sentence,) = describe_precision(counts, 0.01)
    right = 100 * generated * 0.01 / (generated * 0.01 + real * 0.99)
    assert sentence.startswith(
        f"Where 1 in 100 images is generated, about {right:.0f} of 100 alarms are right ("
    )
    assert describe_precision([row for row in counts if row.label], 0.01) == []


def test_with_three_sources_of_photographs_those_left_out_set_the_false_alarm_cut(cuts):
    assert cuts.calibration.origin == "sources left out"
    images = make_images()
    two = replace(images, sources=np.where(images.sources == "phone", "camera", images.sources))
    folds = set_cuts(two).calibration
    assert folds.origin == "folds"
    assert folds.false_alarm_cuts[0].limit <= cuts.calibration.false_alarm_cuts[0].limit
    assert folds.miss_cuts == cuts.calibration.miss_cuts


def test_the_quality_that_decides_an_answer_sets_the_cut():
    """A photograph is called generated only if all its qualities are; so its lowest counts."""
    images = make_images(gap=1.0)
    scores = score_by_refits(images, ENSEMBLE)

    def raise_second(part: HeldOutScores) -> HeldOutScores:
        mean = part.logits.mean(axis=1)
        return replace(part, logits=np.stack([mean, mean + 5], axis=1))

    def take_first(part: HeldOutScores) -> HeldOutScores:
        return HeldOutScores(part.logits[:, :1], part.generator_logits[:, :1])

    raised, single = (
        RefitScores(
            change(scores.folds), {key: change(part) for key, part in scores.sources.items()}
        )
        for change in (raise_second, lambda part: take_first(raise_second(part)))
    )
    both, lowest = (set_refit_cuts(images, part, TARGETS, 0.5, 2.0) for part in (raised, single))
    assert both.calibration.false_alarm_cuts == lowest.calibration.false_alarm_cuts
    limits = [part.calibration.miss_cuts[0].limit for part in (both, lowest)]
    assert logit(limits[0]) == pytest.approx(logit(limits[1]) + 5)
    for counted, alone in zip(
        count_left_out_answers(both.left_out, both.calibration, both.calibration.point),
        count_left_out_answers(lowest.left_out, lowest.calibration, lowest.calibration.point),
        strict=True,
    ):
        assert counted.generated <= alone.generated


def test_the_cut_for_a_source_left_out_is_set_without_it(cuts):
    # one source scores high; its own alarms are counted at the cut that the others set
    images = make_images()
    values = images.values.copy()
    values[images.sources == "phone", :, :8] += 2.0
    odd = replace(images, values=values, judged=values)
    result = set_cuts(odd)
    counts = {
        row.source: row
        for row in count_left_out_answers(
            result.left_out, result.calibration, result.calibration.point
        )
    }
    phone = next(row for row in result.left_out if row.source == "phone")
    assert phone.limits[0] < result.calibration.false_alarm_cuts[0].limit
    assert counts["phone"].generated_share > 0.05 > counts["camera"].generated_share


def test_many_sources_are_left_out_one_of_each_class_at_a_time():
    images = make_images(320)
    names = {0: ("a", "b", "c", "d"), 1: ("e", "f", "g", "h", "i")}
    groups = images.groups.astype(int) // 2
    sources = [
        names[label][group % len(names[label])]
        for label, group in zip(images.labels, groups, strict=True)
    ]
    many = replace(images, sources=np.array(sources))
    assert list_sources_left_out(many) == [
        [(0, "a"), (1, "e")],
        [(0, "b"), (1, "f")],
        [(0, "c"), (1, "g")],
        [(0, "d"), (1, "h")],
        [(1, "i")],
    ]
    scores = score_by_refits(many, ENSEMBLE).sources
    altered = many.values.copy()
    altered[(many.sources == "b") | (many.sources == "f")] = 1e3
    again = score_by_refits(replace(many, values=altered), ENSEMBLE).sources
    for key in ((0, "b"), (1, "f")):
        # it had met neither of them
        assert np.array_equal(again[key].logits, scores[key].logits), key
    assert not np.array_equal(again[0, "a"].logits, scores[0, "a"].logits)
    assert {key: len(part.logits) for key, part in scores.items()} == {
        (label, name): int(np.sum(many.sources == name)) for label in names for name in names[label]
    }


def test_a_class_of_one_source_was_never_measured_on_sources_left_out():
    images = make_images(80)
    single = replace(images, sources=np.where(images.labels == 0, "camera", "gan"))
    cuts = set_cuts(single)
    assert cuts.left_out == ()
    assert describe_left_out_answers([]) == [
        "It was never measured on sources that it was not trained on: an opinion only."
    ]
