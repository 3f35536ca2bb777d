"""explain(): the detector opened -> heat maps and their checks, neighbours, a map of the features, shuffled labels."""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import console, manifest
from data_collection.figures import Picture
from data_collection.manifest import FaceRecord
from training.saved_models import Card
from validation import controls, curves, evaluation_set, explainer, feature_space, heat_maps, overlap, pictures, sampling
from validation.anatomy import Anatomy
from validation.controls import Shuffled
from validation.evaluation_set import EvaluationSet
from validation.explainer import Known
from validation.feature_space import Purity
from validation.heat_maps import Checks, Opener
from validation.judged import Judged
from validation.kept import kept
from validation.pictures import Shown
from validation.predictions import Judge
from validation.settings import ValidationSettings

MAPPED, LEARNT = 1000, 400
"""At most so many images on the map of the features, and of the training split for the shuffled labels."""

FEWEST_MAPPED, FEWEST_GROUPS = 12, 20
"""Images under which neighbours and a map of them say nothing, and groups of a class under which shuffled labels do not."""

SAMPLES = 6
"""Images of each class that are shown with their heat maps besides the most wrong ones."""

Maps = dict[str, np.ndarray]


@dataclass(frozen=True)
class Explained:
    """What explains the detector.

    Attributes:
        unavailable: why there is nothing, in words; empty otherwise.
        samples: images drawn at random.
        how: "t-SNE" or "UMAP".
        embedding: for TensorBoard's projector: reduced features (n, width), names, and thumbnails, uint8 (n, side, side, 3).
    """

    unavailable: str = ""
    checks: Checks | None = None
    samples: Sequence[Shown] = ()
    purities: Sequence[Purity] = ()
    shuffled: Shuffled | None = None
    how: str = ""
    maps: Sequence[Picture] = ()
    embedding: tuple[np.ndarray, list[str], np.ndarray] | None = None


def explain(
    settings: ValidationSettings, card: Card, data: EvaluationSet, judged: Judged, judge: Judge
) -> tuple[Explained, Maps]:
    """What explains the detector, and a heat map by record id; no maps at all if they fail their checks."""
    if not settings.explained:
        return Explained("they were left out (--explained 0)."), {}
    feature_space.check(settings.projection)
    opened = functools.cache(functools.partial(_open, judge.folder))
    try:
        return _explain(settings, card, data, judged, judge, opened)
    except console.PlainError as error:
        if error.exit_code != console.BAD_MODEL:
            raise
        return Explained(str(error)), {}


def _open(folder: Path) -> Anatomy:
    """Loads TensorFlow, and detector.keras after its hash was compared."""
    from training import quiet

    quiet.start_keras()

    from finetuning import parent

    return Anatomy(parent.read(folder))


def _explain(
    settings: ValidationSettings, card: Card, data: EvaluationSet, judged: Judged, judge: Judge, opened: Opener
) -> tuple[Explained, Maps]:
    place = {record.id: index for index, record in enumerate(data.records)}
    checked = sampling.chosen(data.records, settings.explained)
    samples = _samples(checked)
    worst = np.concatenate(list(pictures.most_wrong(judged).values()))
    wanted = list({record.id: record for record in [*checked, *(data.records[index] for index in worst)]}.values())
    found = dict(zip([r.id for r in wanted], heat_maps.maps(data.folder, wanted, opened, judge), strict=True))
    checks = heat_maps.check(data.folder, checked, np.stack([found[r.id] for r in checked]), opened, judge)
    maps = found if checks.passed else {}
    index = np.array([place[record.id] for record in samples])
    shown = pictures.show(data.folder, data.records, judged, index, judge, maps) if maps else []
    known = _training_images(settings, card, judge, opened)
    if data.opened:
        explainer.write(judge.folder, card, opened, checks, known)
    return _among_others(settings, data, judge, opened, known, Explained(checks=checks, samples=shown)), maps


def _samples(records: Sequence[FaceRecord]) -> list[FaceRecord]:
    return [each for label in manifest.LABELS for each in [r for r in records if r.label == label][:SAMPLES]]


def _training_images(settings: ValidationSettings, card: Card, judge: Judge, opened: Opener) -> Known | None:
    """None where the data set of the training is not here as it was."""
    home = evaluation_set.trained_on(settings, card)
    known, doubt = overlap.of_training(card, home)
    if doubt:
        return None
    learnt = sampling.chosen([record for record in known if record.split == "train"], LEARNT)
    return Known(home, learnt, feature_space.features(home, learnt, opened, judge, "features of training images")[0])


def _among_others(
    settings: ValidationSettings,
    data: EvaluationSet,
    judge: Judge,
    opened: Opener,
    known: Known | None,
    so_far: Explained,
) -> Explained:
    """Adds neighbours, the map of the features, and the control with shuffled labels."""
    mapped = sampling.chosen(data.records, MAPPED)
    if len(mapped) < FEWEST_MAPPED:
        return so_far
    values, thumbnails = feature_space.features(data.folder, mapped, opened, judge, "features of the judged images")
    standard = feature_space.standardised(values, values)
    key = [feature_space.VERSION, settings.projection, *judge.key(mapped)]

    def make() -> Maps:
        reduced = feature_space.reduced(standard)
        return {"reduced": reduced, "places": feature_space.projected(reduced, settings.projection)}

    where = kept(judge.folder / "kept", "map", key, make)
    how = {"t-sne": "t-SNE", "umap": "UMAP"}[settings.projection]
    return dataclasses.replace(
        so_far,
        how=how,
        purities=feature_space.purities(standard, mapped),
        shuffled=_shuffled(known, mapped, values),
        maps=curves.maps(where["places"], mapped, thumbnails, how),
        embedding=(where["reduced"], [f"{record.label}: {record.source}" for record in mapped], thumbnails),
    )


def _shuffled(known: Known | None, records: Sequence[FaceRecord], values: np.ndarray) -> Shuffled | None:
    """None where there are too few groups, or no training images."""
    groups = min(len({record.group for record in records if record.label == label}) for label in manifest.LABELS)
    if known is None or groups < FEWEST_GROUPS:
        return None
    theirs, mine = (feature_space.standardised(each, known.features) for each in (known.features, values))
    return controls.shuffled(theirs, known.records, mine, records)
