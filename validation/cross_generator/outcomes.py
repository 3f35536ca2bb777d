"""Train and test one head: AUC, recall, false alarms, confident errors, and the history control."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.calibration import sigmoid
from training.cuts.verdicts import ABSTAIN
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
from validation.metrics.estimates import UNKNOWN_ESTIMATE, Estimate, estimate_metrics
from validation.metrics.intervals import BOOTSTRAP_REPLICATES
from validation.metrics.paired_differences import estimate_paired_differences
from validation.metrics.scored_images import ScoredImages


@dataclass(frozen=True, kw_only=True)
class HeadEvaluation:
    """A head, and the images and features that test it."""

    experiment: Experiment
    head: CalibratedHead
    images: SourceImages
    features: BaseFeatures
    seed: int

    def select_rows(self, sources: Sequence[ImageSource]) -> tuple[np.ndarray, int]:
        """Return the rows that test the head, and the number left out because of their group."""
        selections = [
            plan.select_evaluation_rows(self.images, source, self.experiment.training_sources)
            for source in sources
        ]
        rows = np.concatenate([selection.rows for selection in selections])
        return rows, sum(selection.left_out for selection in selections)

    def score(self, rows: np.ndarray, values: np.ndarray | None = None) -> ScoredImages:
        """Score images; `values` replace their own features."""
        features = (self.features.judged if values is None else values)[rows]
        probabilities = sigmoid(self.head.scorer.compute_logits(features))
        return ScoredImages(
            probabilities.mean(axis=1),
            self.images.label[rows],
            self.images.group[rows],
            self.head.threshold,
            self.head.calibration.point,
        ).with_scores(probabilities)


def evaluate_experiment(
    experiment: Experiment,
    images: SourceImages,
    features: BaseFeatures,
    settings: CrossGeneratorSettings,
) -> HeadOutcome:
    """Train one head and test it."""
    head = head_training.fit_calibrated_head(experiment, images, features, settings)
    evaluation = HeadEvaluation(
        experiment=experiment, head=head, images=images, features=features, seed=settings.seed
    )
    labels = images.label[images.rows(experiment.training_sources, "train")]
    parts = ("train", "validation") if settings.folds else ("validation",)
    threshold_labels = images.label[images.rows(experiment.training_sources, *parts)]
    real = images.list_sources("real")
    return HeadOutcome(
        name=experiment.name,
        trained_on=tuple(source.name for source in experiment.training_sources),
        training_images={"real": int(np.sum(labels == 0)), "generated": int(np.sum(labels == 1))},
        threshold_photographs=int(np.sum(threshold_labels == 0)),
        threshold=head.threshold,
        cells=[_evaluate_generators(sources, evaluation) for sources in experiment.test_sources],
        false_alarms=[_evaluate_false_alarms(source, evaluation) for source in real],
        reprocessed=[_evaluate_reprocessed(source, evaluation) for source in features.processed],
    )


def _evaluate_generators(
    sources: Sequence[ImageSource], evaluation: HeadEvaluation
) -> GeneratorResult:
    generated, left_out = evaluation.select_rows(sources)
    real, _ = evaluation.select_rows(evaluation.experiment.comparison_sources)
    rows = np.concatenate([generated, real])
    estimates = _estimate_or_unknown(evaluation, rows, ("ROC AUC", "TPR"))
    return GeneratorResult(
        tested_on=tuple(source.name for source in sources),
        seen=all(source in evaluation.experiment.training_sources for source in sources),
        images=len(generated),
        groups=_count_groups(evaluation.images, generated),
        left_out=left_out,
        photographs=len(real),
        auc=estimates["ROC AUC"],
        tpr=estimates["TPR"],
        confident_errors=_estimate_confident_errors(evaluation, generated, "TPR"),
    )


def _evaluate_false_alarms(source: ImageSource, evaluation: HeadEvaluation) -> FalseAlarms:
    rows, left_out = evaluation.select_rows([source])
    return FalseAlarms(
        source=source.name,
        seen=source in evaluation.experiment.training_sources,
        images=len(rows),
        groups=_count_groups(evaluation.images, rows),
        left_out=left_out,
        fpr=_estimate_or_unknown(evaluation, rows, ("FPR",))["FPR"],
        confident_errors=_estimate_confident_errors(evaluation, rows, "FPR"),
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
    label = "generated" if share == "TPR" else "real"
    is_wrong = (scored.answers != label) & (scored.answers != ABSTAIN)
    is_out_of_distribution = evaluation.head.training_distribution.is_out_of_distribution(
        evaluation.features.judged[rows].mean(axis=1)
    )

    def estimate_share(is_counted: np.ndarray) -> Estimate:
        counted = ScoredImages(is_counted.astype(float), scored.labels, scored.groups, 0.5)
        return estimate_metrics(
            counted, names=(share,), replicates=BOOTSTRAP_REPLICATES, seed=evaluation.seed
        )[share]

    return ConfidentErrors(
        wrong=estimate_share(is_wrong),
        wrong_in_distribution=estimate_share(is_wrong & ~is_out_of_distribution),
        out_of_distribution=estimate_share(is_out_of_distribution),
    )


def _evaluate_reprocessed(source: ImageSource, evaluation: HeadEvaluation) -> ReprocessedResult:
    """Compare shares called generated before and after a source's processing.

    Photographs get that of a generated source, generated images that of a real one."""
    processed, experiment = evaluation.features.processed[source], evaluation.experiment
    if source.label == "generated":
        metric, sources = "FPR", experiment.comparison_sources
    else:
        metric = "TPR"
        sources = dict.fromkeys(test for tests in experiment.test_sources for test in tests)
    rows, _ = evaluation.select_rows(list(sources))
    if not len(rows):
        before = after = np.nan
        change = UNKNOWN_ESTIMATE
    else:
        plain, changed = evaluation.score(rows), evaluation.score(rows, processed.values)
        before, after = (float(np.mean(scored.predicted_generated)) for scored in (plain, changed))
        change = estimate_paired_differences(
            changed, plain, (metric,), BOOTSTRAP_REPLICATES, evaluation.seed
        )[metric].difference
    return ReprocessedResult(
        source=source.name,
        label=source.label,
        processing=processed.name,
        share_before=before,
        share_after=after,
        change=change,
    )


def _count_groups(images: SourceImages, rows: np.ndarray) -> int:
    return len(np.unique(images.group[rows]))
