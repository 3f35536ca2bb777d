"""What a head of a matrix is worth on the images that its plan allows: ranks, calls, sure mistakes,
a changed history."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.calibration import ABSTAIN
from validation.cross_generator import heads, plan
from validation.cross_generator.heads import CalibratedHead
from validation.cross_generator.plan import Experiment, ImageSource, SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures
from validation.metrics.comparison import estimate_paired_differences
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.intervals import BOOTSTRAP_REPLICATES
from validation.metrics.scored_images import ScoredImages

UNKNOWN_ESTIMATE = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class ConfidentErrors:
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
class GeneratorResult:
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
    sure: ConfidentErrors


@dataclass(frozen=True)
class FalseAlarms:
    """How many photographs of one real source a head calls generated; the attributes are those of
    Cell."""

    source: str
    seen: bool
    images: int
    groups: int
    left_out: int
    fpr: Estimate
    sure: ConfidentErrors


@dataclass(frozen=True)
class ReprocessedResult:
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
class HeadOutcome:
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
    cells: list[GeneratorResult]
    alarms: list[FalseAlarms]
    history: list[ReprocessedResult]


@dataclass(frozen=True)
class HeadEvaluation:
    """A head and all that is needed to test it."""

    experiment: Experiment
    head: CalibratedHead
    them: SourceImages
    features: BaseFeatures
    seed: int

    def tested(self, sources: Sequence[ImageSource]) -> tuple[np.ndarray, int]:
        """Rows of the images that test the head, and how many more it had met the groups of."""
        each = [
            plan.select_evaluation_rows(self.them, source, self.experiment.learns)
            for source in sources
        ]
        return np.concatenate([one.rows for one in each]), sum(one.left_out for one in each)

    def judged(self, rows: np.ndarray, values: np.ndarray | None = None) -> ScoredImages:
        """What the head says of images; `values` in place of their plain features."""
        seen = (self.features.plain if values is None else values)[rows]
        probabilities = self.head.probabilities(seen)
        return ScoredImages(
            probabilities, self.them.label[rows], self.them.group[rows], self.head.threshold
        )


def evaluate_experiment(
    experiment: Experiment,
    them: SourceImages,
    features: BaseFeatures,
    settings: CrossGeneratorSettings,
) -> HeadOutcome:
    """Trains one head and tests it."""
    head = heads.fit_calibrated_head(experiment, them, features, settings)
    bench = HeadEvaluation(experiment, head, them, features, settings.seed)
    train = them.label[them.rows(experiment.learns, "train")]
    parts = ("train", "validation") if settings.folds else ("validation",)
    return HeadOutcome(
        experiment.name,
        tuple(source.name for source in experiment.learns),
        {"real": int(np.sum(train == 0)), "generated": int(np.sum(train == 1))},
        int(np.sum(them.label[them.rows(experiment.learns, *parts)] == 0)),
        head.threshold,
        [_evaluate_generators(sources, bench) for sources in experiment.tests],
        [_evaluate_false_alarms(source, bench) for source in them.of("real")],
        [_evaluate_reprocessed(source, bench) for source in features.processed],
    )


def _evaluate_generators(sources: Sequence[ImageSource], bench: HeadEvaluation) -> GeneratorResult:
    generated, left_out = bench.tested(sources)
    real, _ = bench.tested(bench.experiment.against)
    both = _estimate_or_unknown(bench, np.concatenate([generated, real]), ("ROC AUC", "TPR"))
    seen = all(source in bench.experiment.learns for source in sources)
    names = tuple(source.name for source in sources)
    counts = len(generated), _count_groups(bench.them, generated), left_out, len(real)
    return GeneratorResult(
        names,
        seen,
        *counts,
        both["ROC AUC"],
        both["TPR"],
        _estimate_confident_errors(bench, generated, "TPR"),
    )


def _evaluate_false_alarms(source: ImageSource, bench: HeadEvaluation) -> FalseAlarms:
    rows, left_out = bench.tested([source])
    counts = len(rows), _count_groups(bench.them, rows), left_out
    fpr = _estimate_or_unknown(bench, rows, ("FPR",))["FPR"]
    return FalseAlarms(
        source.name,
        source in bench.experiment.learns,
        *counts,
        fpr,
        _estimate_confident_errors(bench, rows, "FPR"),
    )


def _estimate_or_unknown(
    bench: HeadEvaluation, rows: np.ndarray, names: Sequence[str]
) -> dict[str, Estimate]:
    if not len(rows):
        return dict.fromkeys(names, UNKNOWN_ESTIMATE)
    return estimate_metrics(
        bench.judged(rows), names=names, replicates=BOOTSTRAP_REPLICATES, seed=bench.seed
    )


def _estimate_confident_errors(
    bench: HeadEvaluation, rows: np.ndarray, share: str
) -> ConfidentErrors:
    """Of images of one class; `share` is the metric that counts a share of it."""
    if not len(rows):
        return ConfidentErrors(UNKNOWN_ESTIMATE, UNKNOWN_ESTIMATE, UNKNOWN_ESTIMATE)
    judged = bench.judged(rows)
    right = "generated" if share == "TPR" else "real"
    wrong = np.array(
        [
            bench.head.calibration.decide(each) not in (right, ABSTAIN)
            for each in judged.probabilities
        ]
    )
    far = bench.head.home.far(bench.features.plain[rows])

    def counted(what: np.ndarray) -> Estimate:
        said = ScoredImages(what.astype(float), judged.labels, judged.groups, 0.5)
        return estimate_metrics(
            said, names=(share,), replicates=BOOTSTRAP_REPLICATES, seed=bench.seed
        )[share]

    return ConfidentErrors(counted(wrong), counted(wrong & ~far), counted(far))


def _evaluate_reprocessed(source: ImageSource, bench: HeadEvaluation) -> ReprocessedResult:
    """Photographs for a generated source; for a real one the generated images that test the
    head."""
    processed = bench.features.processed[source]
    share = "FPR" if source.label == "generated" else "TPR"
    if share == "FPR":
        rows, _ = bench.tested(bench.experiment.against)
    else:
        rows, _ = bench.tested(
            list(dict.fromkeys(each for sources in bench.experiment.tests for each in sources))
        )
    if not len(rows):
        return ReprocessedResult(
            source.name, source.label, processed.name, np.nan, np.nan, UNKNOWN_ESTIMATE
        )
    plain, after = bench.judged(rows), bench.judged(rows, processed.values)
    change = estimate_paired_differences(after, plain, (share,), BOOTSTRAP_REPLICATES, bench.seed)[
        share
    ]
    shares = [float(np.mean(each.called_generated)) for each in (plain, after)]
    return ReprocessedResult(source.name, source.label, processed.name, *shares, change)


def _count_groups(them: SourceImages, rows: np.ndarray) -> int:
    return len(np.unique(them.group[rows]))
