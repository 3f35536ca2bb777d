"""`python -m benchmarks.studies.generalisation --centre data/many --face data/many-face`: what
helps against unseen generators.

Every recipe is measured with each source left out of training in turn, and chosen without the one
that tests it: for every generator left out, the recipe that did best when each of the other
generators was left out as well. Two data sets of the same files are needed, one with the centre
squares, one with the faces cut out. It opens their hold-outs, and counts it. What was measured is
kept in `--out` and not measured again; the tables go to docs/generalisation.md.
"""

import dataclasses
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks.studies import generalisation_methods, generalisation_page
from data_collection.dataset import manifest, splits
from runtime import atomic_files, console
from training import dataset
from training.bases import weights
from training.features.extractor import Extractor
from validation import plain_json
from validation.cross_generator import cross_generator, head_training, plan
from validation.cross_generator.plan import Experiment, ImageSource, SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures

RESULTS_VERSION = 3
"""Part of what is kept: raise it when the protocol changes."""

SOURCE_NAME_KEYS = ("name", "tested_on", "trained_on", "source")
"""Where an outcome names sources; its labels are called real and generated, as a source may be."""


@dataclass(frozen=True)
class Recipe:
    """One way to make heads.

    Attributes:
        crop: which of the two data sets.
        changes: what differs from the settings of `python -m validation cross-generator`.
        kind: what looks at the pictures.
    """

    name: str
    crop: str = "centre"
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    kind: type[Extractor] = Extractor


WEAK_RIDGE_CHANGES: dict[str, Any] = {"head": "ridge", "balance": "class", "strength": 0.1}
PER_GENERATOR_CHANGES = {"head": "ridge-per-generator"}
XCEPTION_CHANGES = {"base": "xception"}
RESIDUAL_CHANGES = {"signals": ("residual",), "taps": "early"}

SINGLE_CHANGE_RECIPES = (
    Recipe("logistic regression, all taps of the picture, 224 px"),
    Recipe("ridge regression, weak penalty", changes=WEAK_RIDGE_CHANGES),
    Recipe("+ sources balanced", changes=WEAK_RIDGE_CHANGES | {"balance": "source"}),
    Recipe("+ penalty 10 times as strong", changes=WEAK_RIDGE_CHANGES | {"strength": 1.0}),
    Recipe("+ a voice for each generator", changes=WEAK_RIDGE_CHANGES | PER_GENERATOR_CHANGES),
    Recipe("+ lower half of the base", changes=WEAK_RIDGE_CHANGES | {"taps": "early"}),
    Recipe("+ noise residual", changes=WEAK_RIDGE_CHANGES | {"signals": ("residual",)}),
    Recipe(
        "+ picture and noise residual",
        changes=WEAK_RIDGE_CHANGES | {"signals": ("picture", "residual")},
    ),
    Recipe("+ 320 px", changes=WEAK_RIDGE_CHANGES | {"size": 320}),
    Recipe("+ 448 px", changes=WEAK_RIDGE_CHANGES | {"size": 448}),
    Recipe("+ three views of random history", changes=WEAK_RIDGE_CHANGES | {"views": 3}),
    Recipe("+ four views averaged in judging", changes=WEAK_RIDGE_CHANGES | {"test_views": 4}),
    Recipe(
        "+ frequencies of the picture",
        changes=WEAK_RIDGE_CHANGES,
        kind=generalisation_methods.TapsAndFrequenciesExtractor,
    ),
    Recipe(
        "frequencies of the picture alone",
        changes=WEAK_RIDGE_CHANGES,
        kind=generalisation_methods.FrequencyExtractor,
    ),
    Recipe("+ the face cut out", "face", WEAK_RIDGE_CHANGES),
)
"""One lever at a time on top of the second row."""

COMBINED_RECIPES = (
    Recipe("picture, all taps", "face", PER_GENERATOR_CHANGES),
    Recipe("picture, all taps, weak penalty", "face", PER_GENERATOR_CHANGES | {"strength": 0.1}),
    Recipe("picture, all taps, 320 px", "face", PER_GENERATOR_CHANGES | {"size": 320}),
    Recipe("picture, lower half", "face", PER_GENERATOR_CHANGES | {"taps": "early"}),
    Recipe("residual, all taps", "face", PER_GENERATOR_CHANGES | {"signals": ("residual",)}),
    Recipe("residual, lower half", "face", PER_GENERATOR_CHANGES | RESIDUAL_CHANGES),
    Recipe(
        "residual, lower half, 320 px",
        "face",
        PER_GENERATOR_CHANGES | RESIDUAL_CHANGES | {"size": 320},
    ),
    Recipe(
        "residual, all taps of Xception",
        "face",
        PER_GENERATOR_CHANGES | XCEPTION_CHANGES | {"signals": ("residual",)},
    ),
    Recipe(
        "residual, lower half, 320 px, the centre square",
        "centre",
        PER_GENERATOR_CHANGES | RESIDUAL_CHANGES | {"size": 320},
    ),
    Recipe(
        "residual, lower half, 320 px, one voice",
        "face",
        RESIDUAL_CHANGES | {"head": "ridge", "size": 320},
    ),
)
"""With sources balanced, the strong penalty, a voice for each generator and the face cut out,
except where the name says so."""

UNFROZEN_CHANGES = {"head": "tuned", "folds": 0, "strength": 0.1}

UNFROZEN_RECIPES = (
    Recipe(
        "the last four blocks opened, the centre square",
        changes=UNFROZEN_CHANGES,
        kind=generalisation_methods.TapsAndActivationsExtractor,
    ),
    Recipe(
        "the last four blocks opened, the face cut out",
        "face",
        UNFROZEN_CHANGES,
        generalisation_methods.TapsAndActivationsExtractor,
    ),
)
"""MobileNetV2 fine-tuned for every generator left out."""

SEARCH_CHANGES = {"head": "search", "folds": 0, "views": 2}

SEARCH_RECIPES = (
    Recipe("the search, the centre square", changes=SEARCH_CHANGES),
    Recipe("the search, the face cut out", "face", SEARCH_CHANGES),
    Recipe(
        "the search, the face cut out, residual",
        "face",
        SEARCH_CHANGES | {"signals": ("residual",)},
    ),
    Recipe(
        "the search, the face cut out, picture and residual",
        "face",
        SEARCH_CHANGES | {"signals": ("picture", "residual")},
    ),
)
"""`python -m training --bases mobilenet_v2`: searched heads with a voice for each generator, five
of them in a committee."""


SMALL_IMAGE_RECIPES = (
    Recipe("logistic regression, all taps of the picture, 96 px", changes={"size": 96}),
    Recipe(
        "a voice for each generator",
        changes=WEAK_RIDGE_CHANGES | PER_GENERATOR_CHANGES | {"size": 96},
    ),
    Recipe("the search", changes=SEARCH_CHANGES | {"size": 96}),
)
"""On the data set of 64 px."""

SLOW_HEADS = ("search", "tuned")
"""Heads that take too long to leave two generators out."""

head_training.HEAD_FITTERS["tuned"] = generalisation_methods.train_unfrozen_detector


def main(
    centre: Path,
    face: Path,
    small: Path | None = None,
    names: tuple[str, ...] = (),
    out: Path = Path("logs/generalisation"),
    docs: Path = Path("docs"),
) -> None:
    """Measures all recipes and writes docs/generalisation.md.

    Args:
        centre: data set of centre squares.
        face: data set of the same files with the faces cut out.
        small: data set of 64 px, with the sample's sources.
        names: what the page calls sources, such as real=Kaggle.
        out: folder for what was measured.
        docs: folder for the page.
    """
    folders = {"centre": centre, "face": face}
    started = time.monotonic()
    rows = {
        recipe.name: measure_recipe(recipe, folders[recipe.crop], out)
        for recipe in (
            *SINGLE_CHANGE_RECIPES,
            *COMBINED_RECIPES,
            *SEARCH_RECIPES,
            *UNFROZEN_RECIPES,
        )
    }
    at_64 = {
        recipe.name: measure_recipe(recipe, small, out)
        for recipe in (SMALL_IMAGE_RECIPES if small else ())
    }
    called = dict(name.split("=", 1) for name in names)
    rows, at_64 = (
        {recipe: rename_sources(row, called) for recipe, row in some.items()}
        for some in (rows, at_64)
    )
    command = shlex.join(["python", "-m", "benchmarks.studies.generalisation", *sys.argv[1:]])
    parts = [
        [recipe.name for recipe in part]
        for part in (SINGLE_CHANGE_RECIPES, COMBINED_RECIPES, SEARCH_RECIPES, UNFROZEN_RECIPES)
    ]
    page = generalisation_page.render_generalisation_page(
        command, rows, *parts, at_64, choose_recipes(rows)
    )
    atomic_files.write_atomically(docs / "generalisation.md", page.encode())
    console.print_message(f"{docs / 'generalisation.md'}, {time.monotonic() - started:.0f} s.")


def measure_recipe(recipe: Recipe, folder: Path, out: Path) -> dict:
    """All figures of a recipe, from `out` if an earlier run left them there."""
    data = dataset.load_dataset(folder.parent, folder)
    common = {"dataset": folder, "leave_one_source_out": True, "folds": 5, "history_control": True}
    settings = CrossGeneratorSettings(**{**common, **recipe.changes})
    key = [
        RESULTS_VERSION,
        manifest.compute_fingerprint(data.records),
        plain_json.convert_to_plain(vars(settings)),
        recipe.kind.__name__,
    ]
    key_text = json.dumps(key, sort_keys=True, default=str)
    path = out / f"{hashlib.sha256(key_text.encode()).hexdigest()[:16]}.json"
    if path.is_file():
        return json.loads(path.read_bytes())
    console.print_heading(recipe.name)
    images = plan.select_source_images(data.records)
    features = cross_generator.compute_base_features(
        data,
        images,
        weights.find_base_weights(settings.base, settings.weights),
        settings,
        recipe.kind,
    )
    splits.record_hold_out_opening(data.folder, "generalisation")
    experiments = plan.plan_leave_one_source_out(images)
    result = {
        "outcomes": cross_generator.evaluate_experiments(experiments, images, features, settings),
        "inner": {}
        if settings.head in SLOW_HEADS
        else compute_inner_scores(images, features, settings),
    }
    plain_json.write_plain_json(path, result)
    return json.loads(path.read_bytes())


def compute_inner_scores(
    images: SourceImages, features: BaseFeatures, settings: CrossGeneratorSettings
) -> dict[str, float]:
    """Score a recipe for somebody who has never seen one generator, by its name, judged
    without any hold-out.

    The mean of two: AUC on each other generator, left out as well, and AUC on each other
    generator's validation images.
    """
    generated = images.list_sources("generated")
    without: dict[frozenset[ImageSource], head_training.CalibratedHead] = {}

    def head(*left_out: ImageSource) -> tuple[head_training.CalibratedHead, Experiment]:
        training_sources = tuple(source for source in images.sources if source not in left_out)
        experiment = Experiment("", training_sources, (), images.list_sources("real"))
        if frozenset(left_out) not in without:
            without[frozenset(left_out)] = head_training.fit_calibrated_head(
                experiment, images, features, dataclasses.replace(settings, folds=0)
            )
        return without[frozenset(left_out)], experiment

    result = {}
    for unseen in generated:
        rest = [source for source in generated if source != unseen]
        known = [
            _compute_auc(*head(unseen), images.rows([source], "validation"), images, features)
            for source in rest
        ]
        unknown = []
        for source in rest:
            judge, experiment = head(unseen, source)
            rows = plan.select_evaluation_rows(images, source, experiment.training_sources).rows
            unknown.append(
                _compute_auc(
                    judge, experiment, rows[images.split[rows] != "hold-out"], images, features
                )
            )
        result[unseen.name] = float((np.nanmean(known) + np.nanmean(unknown)) / 2)
    return result


def _compute_auc(
    head: head_training.CalibratedHead,
    experiment: Experiment,
    rows: np.ndarray,
    images: SourceImages,
    features: BaseFeatures,
) -> float:
    """Against the validation photographs; NaN where no image may test it."""
    from sklearn.metrics import roc_auc_score

    if not len(rows):
        return float("nan")
    rows = np.concatenate([rows, images.rows(experiment.comparison_sources, "validation")])
    return float(roc_auc_score(images.label[rows], head.probabilities(features.plain[rows])))


def rename_sources(row: dict, names: Mapping[str, str]) -> dict:
    """The figures of a recipe with other names of sources."""
    inner = {names.get(source, source): value for source, value in row["inner"].items()}
    return {"outcomes": _rename_nested(row["outcomes"], names), "inner": inner}


def _rename_nested(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _rename_nested(each, names, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_rename_nested(each, names, key) for each in value]
    if key in SOURCE_NAME_KEYS:
        return " and ".join(names.get(part, part) for part in value.split(" and "))
    return value


def choose_recipes(rows: dict[str, dict]) -> dict[str, str]:
    """For every generator the recipe that its own images had no part in choosing."""
    generators = next(iter(rows.values()))["inner"]
    return {
        generator: max(rows, key=lambda name: rows[name]["inner"].get(generator, 0))
        for generator in generators
    }


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.studies.generalisation"))
