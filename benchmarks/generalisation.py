"""`python -m benchmarks.generalisation --centre data/many --face data/many-face`: what helps against unseen generators.

Every recipe is measured with each source left out of training in turn, and chosen without the one that tests it: for every
generator left out, the recipe that did best when each of the other generators was left out as well. Two data sets of the same
files are needed, one with the centre squares, one with the faces cut out. It opens their hold-outs, and counts it. What was
measured is kept in `--out` and not measured again; the tables go to docs/generalisation.md.
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

from validation import matrix as matrix_study
from benchmarks import generalisation_page, levers
from data_collection import console, manifest, splits
from training import base_weights, dataset
from training.feature_cache import Extractor
from validation import matrix_heads, matrix_plan, plain_json
from validation.matrix_heads import Features
from validation.matrix_plan import Experiment, Images, Source
from validation.matrix_settings import MatrixSettings

VERSION = 3
"""Part of what is kept: raise it when the protocol changes."""

NAMED = ("name", "tested_on", "trained_on", "source")
"""Where an outcome names sources; its labels are called real and generated, as a source may be."""


@dataclass(frozen=True)
class Recipe:
    """One way to make heads.

    Attributes:
        crop: which of the two data sets.
        changes: what differs from the settings of `python -m validation matrix`.
        kind: what looks at the pictures.
    """

    name: str
    crop: str = "centre"
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)
    kind: type[Extractor] = Extractor


START: dict[str, Any] = {"head": "ridge", "balance": "class", "strength": 0.1}
LOUDEST = {"head": "ridge-per-generator"}
XCEPTION = {"base": "xception"}
TRACES = {"signals": ("residual",), "taps": "early"}

ALONE = (
    Recipe("logistic regression, all taps of the picture, 224 px"),
    Recipe("ridge regression, weak penalty", changes=START),
    Recipe("+ sources balanced", changes=START | {"balance": "source"}),
    Recipe("+ penalty 10 times as strong", changes=START | {"strength": 1.0}),
    Recipe("+ a voice for each generator", changes=START | LOUDEST),
    Recipe("+ lower half of the base", changes=START | {"taps": "early"}),
    Recipe("+ noise residual", changes=START | {"signals": ("residual",)}),
    Recipe("+ picture and noise residual", changes=START | {"signals": ("picture", "residual")}),
    Recipe("+ 320 px", changes=START | {"size": 320}),
    Recipe("+ 448 px", changes=START | {"size": 448}),
    Recipe("+ three views of random history", changes=START | {"views": 3}),
    Recipe("+ four views averaged in judging", changes=START | {"test_views": 4}),
    Recipe("+ frequencies of the picture", changes=START, kind=levers.WithFrequencies),
    Recipe("frequencies of the picture alone", changes=START, kind=levers.Frequencies),
    Recipe("+ the face cut out", "face", START),
)
"""One lever at a time on top of the second row."""

TOGETHER = (
    Recipe("picture, all taps", "face", LOUDEST),
    Recipe("picture, all taps, weak penalty", "face", LOUDEST | {"strength": 0.1}),
    Recipe("picture, all taps, 320 px", "face", LOUDEST | {"size": 320}),
    Recipe("picture, lower half", "face", LOUDEST | {"taps": "early"}),
    Recipe("residual, all taps", "face", LOUDEST | {"signals": ("residual",)}),
    Recipe("residual, lower half", "face", LOUDEST | TRACES),
    Recipe("residual, lower half, 320 px", "face", LOUDEST | TRACES | {"size": 320}),
    Recipe("residual, all taps of Xception", "face", LOUDEST | XCEPTION | {"signals": ("residual",)}),
    Recipe("residual, lower half, 320 px, the centre square", "centre", LOUDEST | TRACES | {"size": 320}),
    Recipe("residual, lower half, 320 px, one voice", "face", TRACES | {"head": "ridge", "size": 320}),
)
"""With sources balanced, the strong penalty, a voice for each generator and the face cut out, except where the name says so."""

TUNE = {"head": "tuned", "folds": 0, "strength": 0.1}

TUNED = (
    Recipe("the last four blocks opened, the centre square", changes=TUNE, kind=levers.WithActivations),
    Recipe("the last four blocks opened, the face cut out", "face", TUNE, levers.WithActivations),
)
"""MobileNetV2 fine-tuned for every generator left out."""

SEARCH = {"head": "search", "folds": 0, "views": 2}

SEARCHED = (
    Recipe("the search, the centre square", changes=SEARCH),
    Recipe("the search, the face cut out", "face", SEARCH),
    Recipe("the search, the face cut out, residual", "face", SEARCH | {"signals": ("residual",)}),
    Recipe("the search, the face cut out, picture and residual", "face", SEARCH | {"signals": ("picture", "residual")}),
)
"""`python -m training --bases mobilenet_v2`: searched heads with a voice for each generator, five of them in a committee."""


SMALL = (
    Recipe("logistic regression, all taps of the picture, 96 px", changes={"size": 96}),
    Recipe("a voice for each generator", changes=START | LOUDEST | {"size": 96}),
    Recipe("the search", changes=SEARCH | {"size": 96}),
)
"""On the data set of 64 px."""

SLOW = ("search", "tuned")
"""Heads that take too long to leave two generators out."""

matrix_heads.HEADS["tuned"] = levers.tuned


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
    rows = {recipe.name: measured(recipe, folders[recipe.crop], out) for recipe in (*ALONE, *TOGETHER, *SEARCHED, *TUNED)}
    at_64 = {recipe.name: measured(recipe, small, out) for recipe in (SMALL if small else ())}
    called = dict(name.split("=", 1) for name in names)
    rows, at_64 = ({recipe: renamed(row, called) for recipe, row in some.items()} for some in (rows, at_64))
    command = shlex.join(["python", "-m", "benchmarks.generalisation", *sys.argv[1:]])
    parts = [[recipe.name for recipe in part] for part in (ALONE, TOGETHER, SEARCHED, TUNED)]
    page = generalisation_page.page(command, rows, *parts, at_64, choices(rows))
    manifest.write_whole(docs / "generalisation.md", page.encode())
    console.say(f"{docs / 'generalisation.md'}, {time.monotonic() - started:.0f} s.")


def measured(recipe: Recipe, folder: Path, out: Path) -> dict:
    """All figures of a recipe, from `out` if an earlier run left them there."""
    data = dataset.read(folder.parent, folder)
    common = {"dataset": folder, "leave_one_source_out": True, "folds": 5, "history_control": True}
    settings = MatrixSettings(**{**common, **recipe.changes})
    key = [VERSION, manifest.fingerprint(data.records), plain_json.plain(vars(settings)), recipe.kind.__name__]
    path = out / f"{hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:16]}.json"
    if path.is_file():
        return json.loads(path.read_bytes())
    console.heading(recipe.name)
    them = matrix_plan.images(data.records)
    features = matrix_study.look(data, them, base_weights.find(settings.base, settings.weights), settings, recipe.kind)
    splits.record_opening(data.folder, "generalisation")
    experiments = matrix_plan.leave_one_source_out(them)
    found = {
        "outcomes": matrix_study.run_all(experiments, them, features, settings),
        "inner": {} if settings.head in SLOW else inner(them, features, settings),
    }
    plain_json.write(path, found)
    return json.loads(path.read_bytes())


def inner(them: Images, features: Features, settings: MatrixSettings) -> dict[str, float]:
    """What a recipe is worth to somebody who has never seen one generator, by its name, judged without any hold-out.

    The mean of two: AUC on each other generator, left out as well, and AUC on each other generator's validation images.
    """
    generated = them.of("generated")
    without: dict[frozenset[Source], matrix_heads.Head] = {}

    def head(*left_out: Source) -> tuple[matrix_heads.Head, Experiment]:
        learns = tuple(source for source in them.sources if source not in left_out)
        experiment = Experiment("", learns, (), them.of("real"))
        if frozenset(left_out) not in without:
            without[frozenset(left_out)] = matrix_heads.fit(experiment, them, features, dataclasses.replace(settings, folds=0))
        return without[frozenset(left_out)], experiment

    found = {}
    for unseen in generated:
        rest = [source for source in generated if source != unseen]
        known = [_auc(*head(unseen), them.rows([source], "validation"), them, features) for source in rest]
        unknown = []
        for source in rest:
            judge, experiment = head(unseen, source)
            rows = matrix_plan.tested(them, source, experiment.learns).rows
            unknown.append(_auc(judge, experiment, rows[them.split[rows] != "hold-out"], them, features))
        found[unseen.name] = float((np.nanmean(known) + np.nanmean(unknown)) / 2)
    return found


def _auc(head: matrix_heads.Head, experiment: Experiment, rows: np.ndarray, them: Images, features: Features) -> float:
    """Against the validation photographs; NaN where no image may test it."""
    from sklearn.metrics import roc_auc_score

    if not len(rows):
        return float("nan")
    rows = np.concatenate([rows, them.rows(experiment.against, "validation")])
    return float(roc_auc_score(them.label[rows], head.probabilities(features.plain[rows])))


def renamed(row: dict, names: Mapping[str, str]) -> dict:
    """The figures of a recipe with other names of sources."""
    inner = {names.get(source, source): value for source, value in row["inner"].items()}
    return {"outcomes": _renamed(row["outcomes"], names), "inner": inner}


def _renamed(value: Any, names: Mapping[str, str], key: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _renamed(each, names, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names, key) for each in value]
    if key in NAMED:
        return " and ".join(names.get(part, part) for part in value.split(" and "))
    return value


def choices(rows: dict[str, dict]) -> dict[str, str]:
    """For every generator the recipe that its own images had no part in choosing."""
    generators = next(iter(rows.values()))["inner"]
    return {generator: max(rows, key=lambda name: rows[name]["inner"].get(generator, 0)) for generator in generators}


if __name__ == "__main__":
    console.run(lambda: tyro.cli(main, prog="python -m benchmarks.generalisation"))
