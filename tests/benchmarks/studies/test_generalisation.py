"""The study of unseen generators: no recipe is chosen by a hold-out, or by the generator that tests
it."""

import json

import numpy as np

from benchmarks.studies import generalisation, generalisation_page
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
    source = np.repeat(np.arange(4), 60)
    records = [
        FaceRecord(
            id=str(n),
            label=SOURCES[place].label,
            source=SOURCES[place].name,
            file="",
            status="accepted",
        )
        for n, place in enumerate(source)
    ]
    return SourceImages(
        SOURCES,
        records,
        source,
        np.array(SPLITS * 40),
        np.arange(240),
        (source > 0).astype(np.int64),
    )


def seen(images: SourceImages, values: np.ndarray) -> BaseFeatures:
    return BaseFeatures(
        FEATURE_COLUMNS, values, values[images.rows(images.sources, "train")][:, None], {}
    )


def worth(images: SourceImages, values: np.ndarray) -> dict[str, float]:
    return generalisation.compute_inner_scores(
        images, seen(images, values.astype(np.float32)), CrossGeneratorSettings(head="ridge")
    )


def test_a_recipes_worth_depends_on_no_hold_out_and_not_on_the_generator_it_is_chosen_for():
    images = make_images()
    values = np.random.default_rng(0).normal(size=(240, FEATURE_WIDTH))
    values[images.label == 1, 0] += 2
    result = worth(images, values)
    assert list(result) == ["gan", "net", "vae"]
    spoilt = values.copy()
    spoilt[images.split == "hold-out"] = 1e6
    assert worth(images, spoilt) == result
    for place, name in enumerate(result, 1):
        spoilt = values.copy()
        spoilt[images.source == place] = (
            np.random.default_rng(place).normal(size=(60, FEATURE_WIDTH)) * 50
        )
        again = worth(images, spoilt)
        assert again[name] == result[name]
        assert all(again[other] != result[other] for other in result if other != name)


def test_every_generator_gets_the_recipe_that_is_best_for_the_others():
    rows = {"one": {"inner": {"gan": 0.9, "net": 0.5}}, "two": {"inner": {"gan": 0.6, "net": 0.7}}}
    assert generalisation.choose_recipes(rows) == {"gan": "one", "net": "two"}


def test_the_page_says_whether_that_is_a_way_to_choose():
    def row(inner: float, auc: float) -> dict:
        return {
            "inner": {"gan": inner},
            "outcomes": [{"name": "gan", "cells": [{"auc": {"value": auc}}]}],
        }

    rows = {"one": row(0.7, 0.5), "two": row(0.8, 0.6), "three": row(0.9, 0.9)}
    assert (
        generalisation_page.compute_rank_correlation(rows, "gan") == 1
        and generalisation_page.find_best_recipe(rows) == "three"
    )
    rows["one"]["inner"]["gan"] = 1.0
    assert (
        generalisation_page.compute_rank_correlation(rows, "gan") == -0.5
        and generalisation_page.find_best_recipe(rows) == "one"
    )


def test_sources_are_renamed_and_classes_are_not():
    replayed = {
        "source": "generated",
        "label": "generated",
        "processing": "96 px",
    }  # a source may be called like its class
    kept = {
        "outcomes": [
            {
                "name": "real and generated",
                "cells": [{"tested_on": ["generated"]}],
                "reprocessed": [replayed],
            }
        ],
        "inner": {"generated": 0.5},
    }
    result = generalisation.rename_sources(kept, {"real": "Kaggle", "generated": "GAN"})
    assert result["inner"] == {"GAN": 0.5}
    (outcome,) = result["outcomes"]
    assert (outcome["name"], outcome["cells"][0]["tested_on"]) == ("Kaggle and GAN", ["GAN"])
    assert outcome["reprocessed"] == [{**replayed, "source": "GAN"}]


def test_numbers_are_told_as_in_the_tables():
    assert generalisation_page.format_number(0.5) == ".500"
    assert generalisation_page.format_number(1.0) == "1.000"
    assert generalisation_page.format_number(None) == "n/a"
    assert (
        generalisation_page.format_estimate(json.loads('{"value": 0.5, "low": 0.25, "high": 1}'))
        == ".500 (.25 to 1.00)"
    )
    assert (
        generalisation_page.format_estimate({"value": 0.5, "low": None, "high": None}, 2) == ".50"
    )
