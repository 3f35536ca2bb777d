"""What a head of a matrix is worth on the images that its plan allows: ranks, calls, sure mistakes, a changed history."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.calibration import DOUBT
from validation import matrix_heads, matrix_plan
from validation.comparison import paired
from validation.intervals import REPLICATES
from validation.judged import Judged
from validation.matrix_heads import Features, Head
from validation.matrix_plan import Experiment, Images, Source
from validation.matrix_settings import MatrixSettings
from validation.metrics import Estimate, estimates

UNKNOWN = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Sure:
    """Wrong verdicts outside the band of doubt.

    Attributes:
        wrong: their share.
        wrong_near: the same if images far from all that the head was trained on get no verdict.
        far: share of such images.
    """

    wrong: Estimate
    wrong_near: Estimate
    far: Estimate


@dataclass(frozen=True)
class Cell:
    """What a head finds of one generated source, or of several together.

    Attributes:
        seen: whether the head learnt from it; then only its hold-out was tested.
        left_out: images that were not tested because the head had met their group.
        auc: against `photographs` photographs.
        tpr: share called generated at the head's threshold.
    """

    tested_on: tuple[str, ...]
    seen: bool
    images: int
    groups: int
    left_out: int
    photographs: int
    auc: Estimate
    tpr: Estimate
    sure: Sure


@dataclass(frozen=True)
class Alarms:
    """How many photographs of one real source a head calls generated; the attributes are those of Cell."""

    source: str
    seen: bool
    images: int
    groups: int
    left_out: int
    fpr: Estimate
    sure: Sure


@dataclass(frozen=True)
class Replayed:
    """Test images of one class as a source of the other class would have published them.

    Attributes:
        source, label: whose processing it was.
        processing: what was done, in words.
        plain, processed: share called generated without and with it.
        change: of that share, paired.
    """

    source: str
    label: str
    processing: str
    plain: float
    processed: float
    change: Estimate


@dataclass(frozen=True)
class Outcome:
    """One head: what it learnt from, and what it is worth.

    Attributes:
        trained_on: names of the sources.
        training_images: by label.
        threshold_photographs: how many the threshold rests on.
        history: empty unless it was asked for.
    """

    name: str
    trained_on: tuple[str, ...]
    training_images: dict[str, int]
    threshold_photographs: int
    threshold: float
    cells: list[Cell]
    alarms: list[Alarms]
    history: list[Replayed]


@dataclass(frozen=True)
class Bench:
    """A head and all that is needed to test it."""

    experiment: Experiment
    head: Head
    them: Images
    features: Features
    seed: int

    def tested(self, sources: Sequence[Source]) -> tuple[np.ndarray, int]:
        """Rows of the images that test the head, and how many more it had met the groups of."""
        each = [matrix_plan.tested(self.them, source, self.experiment.learns) for source in sources]
        return np.concatenate([one.rows for one in each]), sum(one.left_out for one in each)

    def judged(self, rows: np.ndarray, values: np.ndarray | None = None) -> Judged:
        """What the head says of images; `values` in place of their plain features."""
        seen = (self.features.plain if values is None else values)[rows]
        probabilities = self.head.probabilities(seen)
        return Judged(probabilities, self.them.label[rows], self.them.group[rows], self.head.threshold)


def run(experiment: Experiment, them: Images, features: Features, settings: MatrixSettings) -> Outcome:
    """Trains one head and tests it."""
    head = matrix_heads.fit(experiment, them, features, settings)
    bench = Bench(experiment, head, them, features, settings.seed)
    train = them.label[them.rows(experiment.learns, "train")]
    parts = ("train", "validation") if settings.folds else ("validation",)
    return Outcome(
        experiment.name,
        tuple(source.name for source in experiment.learns),
        {"real": int(np.sum(train == 0)), "generated": int(np.sum(train == 1))},
        int(np.sum(them.label[them.rows(experiment.learns, *parts)] == 0)),
        head.threshold,
        [_cell(sources, bench) for sources in experiment.tests],
        [_alarms(source, bench) for source in them.of("real")],
        [_replayed(source, bench) for source in features.processed],
    )


def _cell(sources: Sequence[Source], bench: Bench) -> Cell:
    generated, left_out = bench.tested(sources)
    real, _ = bench.tested(bench.experiment.against)
    both = _estimates(bench, np.concatenate([generated, real]), ("ROC AUC", "TPR"))
    seen = all(source in bench.experiment.learns for source in sources)
    names = tuple(source.name for source in sources)
    counts = len(generated), _groups(bench.them, generated), left_out, len(real)
    return Cell(names, seen, *counts, both["ROC AUC"], both["TPR"], _sure(bench, generated, "TPR"))


def _alarms(source: Source, bench: Bench) -> Alarms:
    rows, left_out = bench.tested([source])
    counts = len(rows), _groups(bench.them, rows), left_out
    fpr = _estimates(bench, rows, ("FPR",))["FPR"]
    return Alarms(source.name, source in bench.experiment.learns, *counts, fpr, _sure(bench, rows, "FPR"))


def _estimates(bench: Bench, rows: np.ndarray, names: Sequence[str]) -> dict[str, Estimate]:
    if not len(rows):
        return dict.fromkeys(names, UNKNOWN)
    return estimates(bench.judged(rows), names=names, replicates=REPLICATES, seed=bench.seed)


def _sure(bench: Bench, rows: np.ndarray, share: str) -> Sure:
    """Of images of one class; `share` is the metric that counts a share of it."""
    if not len(rows):
        return Sure(UNKNOWN, UNKNOWN, UNKNOWN)
    judged = bench.judged(rows)
    right = "generated" if share == "TPR" else "real"
    wrong = np.array([bench.head.calibration.verdict(each) not in (right, DOUBT) for each in judged.probabilities])
    far = bench.head.home.far(bench.features.plain[rows])

    def counted(what: np.ndarray) -> Estimate:
        said = Judged(what.astype(float), judged.labels, judged.groups, 0.5)
        return estimates(said, names=(share,), replicates=REPLICATES, seed=bench.seed)[share]

    return Sure(counted(wrong), counted(wrong & ~far), counted(far))


def _replayed(source: Source, bench: Bench) -> Replayed:
    """Photographs for a generated source; for a real one the generated images that test the head."""
    processed = bench.features.processed[source]
    share = "FPR" if source.label == "generated" else "TPR"
    if share == "FPR":
        rows, _ = bench.tested(bench.experiment.against)
    else:
        rows, _ = bench.tested(list(dict.fromkeys(each for sources in bench.experiment.tests for each in sources)))
    if not len(rows):
        return Replayed(source.name, source.label, processed.name, np.nan, np.nan, UNKNOWN)
    plain, after = bench.judged(rows), bench.judged(rows, processed.values)
    change = paired(after, plain, (share,), REPLICATES, bench.seed)[share]
    shares = [float(np.mean(each.called_generated)) for each in (plain, after)]
    return Replayed(source.name, source.label, processed.name, *shares, change)


def _groups(them: Images, rows: np.ndarray) -> int:
    return len(np.unique(them.group[rows]))
