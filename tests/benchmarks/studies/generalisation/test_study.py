"""The study of unseen generators: no recipe is chosen by a hold-out, or by the generator that tests
it."""

import json

import numpy as np

from benchmarks.studies.generalisation import render_page, study
from data_collection.dataset.manifest import FaceRecord
from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH
from validation.cross_generator.plan import ImageSource, SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures

SOURCES = [
    ImageSource("real", "camera"),
    ImageSource("generated", "gan"),
    ImageSource("generated", "net"),
    ImageSource("generated", "vae"),
]
SPLITS = ("train", "train", "train", "train", "validation", "hold-out")


def make_images() -> SourceImages:
    source_indices = np.repeat(np.arange(4), 60)
    records = [
        FaceRecord(
            id=str(n),
            label=SOURCES[index].label,
            source=SOURCES[index].name,
            file="",
            status="accepted",
        )
        for n, index in enumerate(source_indices)
    ]
    return SourceImages(
        sources=SOURCES,
        records=records,
        source=source_indices,
        split=np.array(SPLITS * 40),
        group=np.arange(240),
        label=(source_indices > 0).astype(np.int64),
    )


def compute_scores(images: SourceImages, values: np.ndarray) -> dict[str, float]:
    values = values.astype(np.float32)
    train_views = values[images.rows(images.sources, "train")][:, None]
    features = BaseFeatures(FEATURE_COLUMNS, values[:, None], train_views, {})
    settings = CrossGeneratorSettings(head="ridge")
    return study.compute_inner_scores(images, features, settings)


def test_a_recipes_score_depends_on_no_hold_out_and_not_on_the_generator_it_is_chosen_for():
    images = make_images()
    values = np.random.default_rng(0).normal(size=(240, FEATURE_WIDTH))
    values[images.label == 1, 0] += 2
    scores = compute_scores(images, values)
    assert list(scores) == ["gan", "net", "vae"]
    altered = values.copy()
    altered[images.split == "hold-out"] = 1e6
    assert compute_scores(images, altered) == scores
    for index, name in enumerate(scores, 1):
        altered = values.copy()
        altered[images.source == index] = (
            np.random.default_rng(index).normal(size=(60, FEATURE_WIDTH)) * 50
        )
        new_scores = compute_scores(images, altered)
        assert new_scores[name] == scores[name]
        assert all(new_scores[other] != scores[other] for other in scores if other != name)


def test_every_generator_gets_the_recipe_that_is_best_for_the_others():
    rows = {"one": {"inner": {"gan": 0.9, "net": 0.5}}, "two": {"inner": {"gan": 0.6, "net": 0.7}}}
    assert study.choose_recipes(rows) == {"gan": "one", "net": "two"}


def test_the_page_shows_whether_this_criterion_works():
    def make_row(score: float, auc: float) -> dict:
        return {
            "inner": {"gan": score},
            "outcomes": [{"name": "gan", "cells": [{"auc": {"value": auc}}]}],
        }

    rows = {"one": make_row(0.7, 0.5), "two": make_row(0.8, 0.6), "three": make_row(0.9, 0.9)}
    assert (
        render_page.compute_rank_correlation(rows, "gan") == 1
        and render_page.find_best_recipe(rows) == "three"
    )
    rows["one"]["inner"]["gan"] = 1.0
    assert (
        render_page.compute_rank_correlation(rows, "gan") == -0.5
        and render_page.find_best_recipe(rows) == "one"
    )


def test_sources_are_renamed_and_classes_are_not():
    # a source may have the name of its class
    reprocessed = {"source": "generated", "label": "generated", "processing": "96 px"}
    row = {
        "outcomes": [
            {
                "name": "real and generated",
                "cells": [{"tested_on": ["generated"]}],
                "reprocessed": [reprocessed],
            }
        ],
        "inner": {"generated": 0.5},
    }
    renamed = study.rename_sources(row, {"real": "Kaggle", "generated": "GAN"})
    assert renamed["inner"] == {"GAN": 0.5}
    (outcome,) = renamed["outcomes"]
    assert (outcome["name"], outcome["cells"][0]["tested_on"]) == ("Kaggle and GAN", ["GAN"])
    assert outcome["reprocessed"] == [{**reprocessed, "source": "GAN"}]


def test_numbers_are_formatted_as_in_the_tables():
    assert render_page.format_number(0.5) == ".500"
    assert render_page.format_number(1.0) == "1.000"
    assert render_page.format_number(None) == "n/a"
    assert (
        render_page.format_estimate(json.loads('{"value": 0.5, "low": 0.25, "high": 1}'))
        == ".500 (.25 to 1.00)"
    )
    assert render_page.format_estimate({"value": 0.5, "low": None, "high": None}, 2) == ".50"
