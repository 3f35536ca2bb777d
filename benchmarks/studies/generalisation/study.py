"""Measure what helps against unseen generators.

Run `python -m benchmarks.studies.generalisation --centre data/many --face data/many-face`.

Every recipe is measured with each source left out of training in turn. A recipe is chosen without
the generator that tests it: the one that did best when each of the other generators was left out
as well. Two data sets of the same files are needed, one of centre squares and one of face crops.
Their hold-outs are opened, and every opening is counted. Results are cached in `--out`; the tables
go to docs/generalisation.md.
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

from benchmarks.studies.generalisation import dot_plot, methods, render_page
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

RESULTS_VERSION = 4
"""Part of the cache key. Raise it when the protocol or the keys of an outcome change."""

SOURCE_NAME_KEYS = ("name", "tested_on", "trained_on", "source")
"""Keys of an outcome that hold names of sources. Other keys hold labels (real, generated), which
may also be names of sources."""


@dataclass(frozen=True)
class Recipe:
    """One way to train heads.

    Attributes:
        crop: which of the two data sets: centre or face.
        changes: differences from the settings of `python -m validation cross-generator`.
        extractor_class: computes the features.
    """

    name: str
    crop: str = "centre"
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    extractor_class: type[Extractor] = Extractor


WEAK_RIDGE_CHANGES: dict[str, Any] = {"head": "ridge", "balance": "class", "strength": 0.1}
PER_GENERATOR_CHANGES = {"head": "ridge-per-generator"}
XCEPTION_CHANGES = {"base": "xception"}
RESIDUAL_CHANGES = {"signals": ("residual",), "taps": "early"}

SINGLE_CHANGE_RECIPES = (
    Recipe("logistic regression, all taps of the picture, 224 px"),
    Recipe("ridge regression, weak penalty", changes=WEAK_RIDGE_CHANGES),
    Recipe("+ sources balanced", changes=WEAK_RIDGE_CHANGES | {"balance": "source"}),
    Recipe("+ penalty 10 times as strong", changes=WEAK_RIDGE_CHANGES | {"strength": 1.0}),
    Recipe("+ one output per generator", changes=WEAK_RIDGE_CHANGES | PER_GENERATOR_CHANGES),
    Recipe("+ lower half of the base", changes=WEAK_RIDGE_CHANGES | {"taps": "early"}),
    Recipe("+ noise residual", changes=WEAK_RIDGE_CHANGES | {"signals": ("residual",)}),
    Recipe(
        "+ picture and noise residual",
        changes=WEAK_RIDGE_CHANGES | {"signals": ("picture", "residual")},
    ),
    Recipe("+ 320 px", changes=WEAK_RIDGE_CHANGES | {"size": 320}),
    Recipe("+ 448 px", changes=WEAK_RIDGE_CHANGES | {"size": 448}),
    Recipe("+ three views of random history", changes=WEAK_RIDGE_CHANGES | {"views": 3}),
    Recipe("+ four views averaged in testing", changes=WEAK_RIDGE_CHANGES | {"test_views": 4}),
    Recipe(
        "+ frequencies of the picture",
        changes=WEAK_RIDGE_CHANGES,
        extractor_class=methods.TapsAndFrequenciesExtractor,
    ),
    Recipe(
        "frequencies of the picture alone",
        changes=WEAK_RIDGE_CHANGES,
        extractor_class=methods.FrequencyExtractor,
    ),
    Recipe("+ face crops", "face", WEAK_RIDGE_CHANGES),
)
"""One change at a time from the second row."""

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
        "residual, lower half, 320 px, a single output",
        "face",
        RESIDUAL_CHANGES | {"head": "ridge", "size": 320},
    ),
)
"""Face crops, balanced sources, the strong penalty and one output per generator, except where the
name says otherwise."""

UNFROZEN_CHANGES = {"head": "tuned", "folds": 0, "strength": 0.1}

UNFROZEN_RECIPES = (
    Recipe(
        "the last four blocks unfrozen, the centre square",
        changes=UNFROZEN_CHANGES,
        extractor_class=methods.TapsAndActivationsExtractor,
    ),
    Recipe(
        "the last four blocks unfrozen, face crops",
        "face",
        UNFROZEN_CHANGES,
        methods.TapsAndActivationsExtractor,
    ),
)
"""MobileNetV2, fine-tuned anew for every generator left out."""

SEARCH_CHANGES = {"head": "search", "folds": 0, "views": 2}

SEARCH_RECIPES = (
    Recipe("the search, the centre square", changes=SEARCH_CHANGES),
    Recipe("the search, face crops", "face", SEARCH_CHANGES),
    Recipe("the search, face crops, residual", "face", SEARCH_CHANGES | {"signals": ("residual",)}),
    Recipe(
        "the search, face crops, picture and residual",
        "face",
        SEARCH_CHANGES | {"signals": ("picture", "residual")},
    ),
)
"""`python -m training --bases mobilenet_v2`: searched heads with one output per generator, in an
ensemble of five."""


SMALL_IMAGE_RECIPES = (
    Recipe("logistic regression, all taps of the picture, 96 px", changes={"size": 96}),
    Recipe(
        "one output per generator",
        changes=WEAK_RIDGE_CHANGES | PER_GENERATOR_CHANGES | {"size": 96},
    ),
    Recipe("the search", changes=SEARCH_CHANGES | {"size": 96}),
)
"""Measured on the data set of 64 px."""

SLOW_HEADS = ("search", "tuned")
"""Heads whose training takes too long to leave out every pair of generators."""

head_training.HEAD_FITTERS["tuned"] = methods.train_unfrozen_detector


def main(
    centre: Path,
    face: Path,
    small: Path | None = None,
    names: tuple[str, ...] = (),
    out: Path = Path("logs/generalisation"),
    docs: Path = Path("docs"),
) -> None:
    """Measure all recipes and write docs/generalisation-tables.md and the plot of it.

    Args:
        centre: data set of centre squares.
        face: data set of face crops from the same files.
        small: data set of 64 px, with the sample's sources too.
        names: names of sources on the page, such as real=Kaggle.
        out: folder for cached results.
        docs: folder for the tables and the plot.
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
    small_rows = {
        recipe.name: measure_recipe(recipe, small, out)
        for recipe in (SMALL_IMAGE_RECIPES if small else ())
    }
    new_names = dict(name.split("=", 1) for name in names)
    rows, small_rows = (
        {recipe: rename_sources(row, new_names) for recipe, row in table.items()}
        for table in (rows, small_rows)
    )
    command = shlex.join(["python", "-m", "benchmarks.studies.generalisation", *sys.argv[1:]])
    sections = render_page.PageSections(
        single_changes=[recipe.name for recipe in SINGLE_CHANGE_RECIPES],
        combined=[recipe.name for recipe in COMBINED_RECIPES],
        search=[recipe.name for recipe in SEARCH_RECIPES],
        unfrozen=[recipe.name for recipe in UNFROZEN_RECIPES],
    )
    page = render_page.render_generalisation_page(
        command, rows, sections, small_rows, choose_recipes(rows)
    )
    tables = docs / dot_plot.TABLES_FILE
    atomic_files.write_atomically(tables, page.encode())
    dot_plot.draw_plot(docs)
    console.print_message(f"{tables}, {time.monotonic() - started:.0f} s.")


def measure_recipe(recipe: Recipe, folder: Path, out: Path) -> dict:
    """Return all figures of a recipe, cached in `out`."""
    data = dataset.load_dataset(folder.parent, folder)
    common = {
        "dataset": folder,
        "leave_one_source_out": True,
        "folds": 5,
        "history_control": True,
        "test_views": 1,
    }
    settings = CrossGeneratorSettings(**{**common, **recipe.changes})
    key = [
        RESULTS_VERSION,
        manifest.compute_fingerprint(data.records),
        plain_json.convert_to_plain(vars(settings)),
        recipe.extractor_class.__name__,
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
        recipe.extractor_class,
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
    """Score a recipe without one generator and without any hold-out; return scores by generator.

    A score is the mean of two: the mean AUC on each other generator when that was left out as
    well, and the mean AUC on the other generators' validation images.
    """
    generators = images.list_sources("generated")
    heads: dict[frozenset[ImageSource], head_training.CalibratedHead] = {}

    def fit_head(*left_out: ImageSource) -> tuple[head_training.CalibratedHead, Experiment]:
        training_sources = tuple(source for source in images.sources if source not in left_out)
        experiment = Experiment("", training_sources, (), images.list_sources("real"))
        if frozenset(left_out) not in heads:
            heads[frozenset(left_out)] = head_training.fit_calibrated_head(
                experiment, images, features, dataclasses.replace(settings, folds=0)
            )
        return heads[frozenset(left_out)], experiment

    scores = {}
    for unseen in generators:
        others = [source for source in generators if source != unseen]
        known_aucs = [
            _compute_auc(*fit_head(unseen), images.rows([source], "validation"), images, features)
            for source in others
        ]
        unknown_aucs = []
        for source in others:
            head, experiment = fit_head(unseen, source)
            rows = plan.select_evaluation_rows(images, source, experiment.training_sources).rows
            rows = rows[images.split[rows] != "hold-out"]
            unknown_aucs.append(_compute_auc(head, experiment, rows, images, features))
        scores[unseen.name] = float((np.nanmean(known_aucs) + np.nanmean(unknown_aucs)) / 2)
    return scores


def _compute_auc(
    head: head_training.CalibratedHead,
    experiment: Experiment,
    rows: np.ndarray,
    images: SourceImages,
    features: BaseFeatures,
) -> float:
    """Compute the AUC of rows against the validation photographs; NaN if there are no rows."""
    from sklearn.metrics import roc_auc_score

    if not len(rows):
        return float("nan")
    rows = np.concatenate([rows, images.rows(experiment.comparison_sources, "validation")])
    return float(roc_auc_score(images.label[rows], head.probabilities(features.judged[rows])))


def rename_sources(row: dict, names: Mapping[str, str]) -> dict:
    """Return the figures of a recipe with new names of sources."""
    inner = {names.get(source, source): value for source, value in row["inner"].items()}
    return {"outcomes": _rename_nested(row["outcomes"], names), "inner": inner}


def _rename_nested(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _rename_nested(item, names, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename_nested(item, names, key) for item in value]
    if key in SOURCE_NAME_KEYS:
        return " and ".join(names.get(part, part) for part in value.split(" and "))
    return value


def choose_recipes(rows: dict[str, dict]) -> dict[str, str]:
    """Return the best recipe for every generator, chosen without that generator's images."""
    generators = next(iter(rows.values()))["inner"]
    return {
        generator: max(rows, key=lambda name: rows[name]["inner"].get(generator, 0))
        for generator in generators
    }
