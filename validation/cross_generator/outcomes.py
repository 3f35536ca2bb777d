"""Test one head: AUC, recall, false alarms, confident errors, and the history control."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.calibration import ABSTAIN
from validation.cross_generator import head_training, plan
from validation.cross_generator.head_results import (
    ConfidentErrors,
    FalseAlarms,
    GeneratorResult,
    HeadOutcome,
    ReprocessedResult,
)
from validation.cross_generator.head_training import CalibratedHead
from validation.cross_generator.plan import Experiment, ImageSource, SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures
from validation.metrics.comparison import estimate_paired_differences
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.intervals import BOOTSTRAP_REPLICATES
from validation.metrics.scored_images import ScoredImages

UNKNOWN_ESTIMATE = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class HeadEvaluation:
    """A head and all that is needed to test it."""

    experiment: Experiment
    head: CalibratedHead
    images: SourceImages
    features: BaseFeatures
    seed: int

    def select_rows(self, sources: Sequence[ImageSource]) -> tuple[np.ndarray, int]:
        """Return the rows that test the head, and the number left out because of their group."""
        each = [
            plan.select_evaluation_rows(self.images, source, self.experiment.training_sources)
            for source in sources
        ]
        return np.concatenate([one.rows for one in each]), sum(one.left_out for one in each)

    def score(self, rows: np.ndarray, values: np.ndarray | None = None) -> ScoredImages:
        """Score images; `values` replace their plain features."""
        seen = (self.features.plain if values is None else values)[rows]
        probabilities = self.head.probabilities(seen)
        return ScoredImages(
            probabilities, self.images.label[rows], self.images.group[rows], self.head.threshold
        )


def evaluate_experiment(
    experiment: Experiment,
    images: SourceImages,
    features: BaseFeatures,
    settings: CrossGeneratorSettings,
) -> HeadOutcome:
    """Train one head and test it."""
    head = head_training.fit_calibrated_head(experiment, images, features, settings)
    evaluation = HeadEvaluation(experiment, head, images, features, settings.seed)
    train = images.label[images.rows(experiment.training_sources, "train")]
    parts = ("train", "validation") if settings.folds else ("validation",)
    return HeadOutcome(
        experiment.name,
        tuple(source.name for source in experiment.training_sources),
        {"real": int(np.sum(train == 0)), "generated": int(np.sum(train == 1))},
        int(np.sum(images.label[images.rows(experiment.training_sources, *parts)] == 0)),
        head.threshold,
        [_evaluate_generators(sources, evaluation) for sources in experiment.test_sources],
        [_evaluate_false_alarms(source, evaluation) for source in images.list_sources("real")],
        [_evaluate_reprocessed(source, evaluation) for source in features.processed],
    )


def _evaluate_generators(
    sources: Sequence[ImageSource], evaluation: HeadEvaluation
) -> GeneratorResult:
    generated, left_out = evaluation.select_rows(sources)
    real, _ = evaluation.select_rows(evaluation.experiment.comparison_sources)
    both = _estimate_or_unknown(evaluation, np.concatenate([generated, real]), ("ROC AUC", "TPR"))
    seen = all(source in evaluation.experiment.training_sources for source in sources)
    names = tuple(source.name for source in sources)
    counts = len(generated), _count_groups(evaluation.images, generated), left_out, len(real)
    return GeneratorResult(
        names,
        seen,
        *counts,
        both["ROC AUC"],
        both["TPR"],
        _estimate_confident_errors(evaluation, generated, "TPR"),
    )


def _evaluate_false_alarms(source: ImageSource, evaluation: HeadEvaluation) -> FalseAlarms:
    rows, left_out = evaluation.select_rows([source])
    counts = len(rows), _count_groups(evaluation.images, rows), left_out
    fpr = _estimate_or_unknown(evaluation, rows, ("FPR",))["FPR"]
    return FalseAlarms(
        source.name,
        source in evaluation.experiment.training_sources,
        *counts,
        fpr,
        _estimate_confident_errors(evaluation, rows, "FPR"),
    )


def _estimate_or_unknown(
    evaluation: HeadEvaluation, rows: np.ndarray, names: Sequence[str]
) -> dict[str, Estimate]:
    if not len(rows):
        return dict.fromkeys(names, UNKNOWN_ESTIMATE)
    return estimate_metrics(
        evaluation.score(rows), names=names, replicates=BOOTSTRAP_REPLICATES, seed=evaluation.seed
    )


def _estimate_confident_errors(
    evaluation: HeadEvaluation, rows: np.ndarray, share: str
) -> ConfidentErrors:
    """Estimate on images of one class; `share` is "TPR" or "FPR", the metric that counts them."""
    if not len(rows):
        return ConfidentErrors(UNKNOWN_ESTIMATE, UNKNOWN_ESTIMATE, UNKNOWN_ESTIMATE)
    scored = evaluation.score(rows)
    right = "generated" if share == "TPR" else "real"
    wrong = np.array(
        [
            evaluation.head.calibration.decide(each) not in (right, ABSTAIN)
            for each in scored.probabilities
        ]
    )
    is_far = evaluation.head.training_distribution.is_out_of_distribution(
        evaluation.features.plain[rows]
    )

    def estimate_share(is_counted: np.ndarray) -> Estimate:
        counted = ScoredImages(is_counted.astype(float), scored.labels, scored.groups, 0.5)
        return estimate_metrics(
            counted, names=(share,), replicates=BOOTSTRAP_REPLICATES, seed=evaluation.seed
        )[share]

    return ConfidentErrors(
        estimate_share(wrong), estimate_share(wrong & ~is_far), estimate_share(is_far)
    )


def _evaluate_reprocessed(source: ImageSource, evaluation: HeadEvaluation) -> ReprocessedResult:
    """Compare shares called generated before and after a source's processing.

    Photographs go through that of a generated source, generated images through that of a real
    one."""
    processed = evaluation.features.processed[source]
    share = "FPR" if source.label == "generated" else "TPR"
    if share == "FPR":
        rows, _ = evaluation.select_rows(evaluation.experiment.comparison_sources)
    else:
        rows, _ = evaluation.select_rows(
            list(
                dict.fromkeys(
                    each for sources in evaluation.experiment.test_sources for each in sources
                )
            )
        )
    if not len(rows):
        return ReprocessedResult(
            source.name, source.label, processed.name, np.nan, np.nan, UNKNOWN_ESTIMATE
        )
    plain, after = evaluation.score(rows), evaluation.score(rows, processed.values)
    change = estimate_paired_differences(
        after, plain, (share,), BOOTSTRAP_REPLICATES, evaluation.seed
    )[share]
    shares = [float(np.mean(each.predicted_generated)) for each in (plain, after)]
    return ReprocessedResult(source.name, source.label, processed.name, *shares, change)


def _count_groups(images: SourceImages, rows: np.ndarray) -> int:
    return len(np.unique(images.group[rows]))
