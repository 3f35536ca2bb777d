"""Scores of detectors not trained on a source, and the figures that follow from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime import checked_json, console
from training.calibration import sigmoid
from training.cuts.operating_point import Calibration
from training.cuts.verdicts import GENERATED
from validation.generators.confusion import GeneratorConfusion, count_named_sources
from validation.metrics.estimates import UNKNOWN_ESTIMATE, Estimate, estimate_metrics
from validation.metrics.intervals import BOOTSTRAP_REPLICATES, CONFIDENCE_LEVEL
from validation.metrics.scored_images import ScoredImages
from validation.metrics.shares import compute_share_interval

REPORTED_TARGETS = (0.05, 0.01)
"""Targets of the false-alarm cuts at which shares are reported."""


@dataclass(frozen=True, kw_only=True)
class SourceScores:
    """Scores of a detector not trained on a source: of the source, and of known sources.

    Attributes:
        source, label: the source left out; label 1 for a generator.
        heads: of the detector, in words.
        calibration: with the cuts as `python -m training` sets them.
        unseen_logits: of the source's images, one for each quality at which images are judged.
        unseen_groups: number of each image's group.
        hold_out_logits, hold_out_labels, hold_out_groups: of the hold-out of all other sources.
        reprocessed_logits: of the source's images with the other class's file history; empty
            without the history control.
        generators: those that the detector names; none if it names none.
        unseen_names, hold_out_names: the answer to every image, as name_generators returns it.
        hold_out_sources: of every image.
    """

    source: str
    label: int
    base: str
    heads: tuple[str, ...]
    seconds: float
    calibration: Calibration
    unseen_logits: tuple[tuple[float, ...], ...]
    unseen_groups: tuple[int, ...]
    hold_out_logits: tuple[tuple[float, ...], ...]
    hold_out_labels: tuple[int, ...]
    hold_out_groups: tuple[int, ...]
    reprocessed_logits: tuple[tuple[float, ...], ...] = ()
    generators: tuple[str, ...] = ()
    unseen_names: tuple[str, ...] = ()
    hold_out_names: tuple[str, ...] = ()
    hold_out_sources: tuple[str, ...] = ()

    def count_unseen_names(self) -> GeneratorConfusion | None:
        """Count the generators that are named for the source; None if none is ever named."""
        if not self.generators:
            return None
        images = len(self.unseen_names)
        return count_named_sources(
            self.generators,
            np.full(images, self.source, dtype=object),
            np.full(images, self.label),
            np.array(self.unseen_groups),
            np.array(self.unseen_names, dtype=object),
        )

    def count_known_names(self) -> GeneratorConfusion | None:
        """Count the generators that are named for the hold-out of all other sources."""
        if not self.generators:
            return None
        return count_named_sources(
            self.generators,
            np.array(self.hold_out_sources, dtype=object),
            np.array(self.hold_out_labels),
            np.array(self.hold_out_groups),
            np.array(self.hold_out_names, dtype=object),
        )

    def estimate_known_auc(self) -> Estimate:
        """Estimate the AUC on the hold-out of the sources that the detector was trained on."""
        logits, labels = np.array(self.hold_out_logits), np.array(self.hold_out_labels)
        return _estimate_auc(logits, labels, np.array(self.hold_out_groups))

    def estimate_unseen_auc(self) -> Estimate:
        """Estimate the AUC of the source against the other class's hold-out images."""
        return self._estimate_source_auc(self.unseen_logits)

    def estimate_reprocessed_auc(self) -> Estimate:
        """Estimate the same AUC of the source's images with the other class's file history."""
        if not self.reprocessed_logits:
            return UNKNOWN_ESTIMATE
        return self._estimate_source_auc(self.reprocessed_logits)

    def _estimate_source_auc(self, source_logits: Sequence[Sequence[float]]) -> Estimate:
        known = np.array(self.hold_out_labels) != self.label
        known_groups = np.array(self.hold_out_groups)[known]
        groups = np.concatenate(
            [known_groups, np.array(self.unseen_groups) + known_groups.max() + 1]
        )
        labels = np.concatenate(
            [np.full(known.sum(), 1 - self.label), np.full(len(self.unseen_groups), self.label)]
        )
        logits = np.concatenate([np.array(self.hold_out_logits)[known], source_logits])
        return _estimate_auc(logits, labels, groups)

    def estimate_generated_share(self, target: float) -> Estimate:
        """Estimate the share of the source's images that is answered "generated".

        Args:
            target: of the false-alarm cut; unknown if there is no such cut.
        """
        try:
            point = self.calibration.select_point(false_alarms=target)
        except console.PlainError:
            return UNKNOWN_ESTIMATE
        probabilities = sigmoid(np.array(self.unseen_logits))
        labels, groups = np.full(len(probabilities), self.label), np.array(self.unseen_groups)
        scored = ScoredImages(
            probabilities.mean(axis=1), labels, groups, self.calibration.threshold, point
        ).with_scores(probabilities)
        is_generated = scored.answers == GENERATED
        interval = compute_share_interval(is_generated, groups, CONFIDENCE_LEVEL)
        return Estimate(float(is_generated.mean()), *interval)


def _estimate_auc(logits: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Estimate:
    scored = ScoredImages(sigmoid(logits.mean(axis=1)), labels, groups, 0.5)
    return estimate_metrics(scored, names=("ROC AUC",), replicates=BOOTSTRAP_REPLICATES)["ROC AUC"]


def read_scores(path: Path) -> SourceScores:
    """Read scores that an earlier run stored.

    Raises:
        PlainError: the file is damaged.
    """
    try:
        return checked_json.convert_to(checked_json.parse_json(path.read_bytes()), SourceScores)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise console.PlainError(
            f"{path} is damaged. Delete it and give the same command again.", console.EXIT_DISK
        ) from None


@dataclass(frozen=True, kw_only=True)
class SourceFigures:
    """Figures of one source left out.

    Attributes:
        images, groups: of the source.
        auc: against the other class's hold-out images.
        generated_shares: answered "generated" at each of REPORTED_TARGETS.
        known_auc: of the same detector on the hold-out of the sources that it was trained on.
        reprocessed_auc: of the source with the other class's file history; unknown without the
            history control.
        unseen_named, known_named: generators that are named for its images, and for the hold-out
            of the sources that the detector was trained on; None if it names none.
    """

    source: str
    label: int
    images: int
    groups: int
    auc: Estimate
    generated_shares: tuple[Estimate, ...]
    known_auc: Estimate
    reprocessed_auc: Estimate = UNKNOWN_ESTIMATE
    unseen_named: GeneratorConfusion | None = None
    known_named: GeneratorConfusion | None = None


def compute_figures(scores: SourceScores) -> SourceFigures:
    return SourceFigures(
        source=scores.source,
        label=scores.label,
        images=len(scores.unseen_groups),
        groups=len(set(scores.unseen_groups)),
        auc=scores.estimate_unseen_auc(),
        generated_shares=tuple(
            scores.estimate_generated_share(target) for target in REPORTED_TARGETS
        ),
        known_auc=scores.estimate_known_auc(),
        reprocessed_auc=scores.estimate_reprocessed_auc(),
        unseen_named=scores.count_unseen_names(),
        known_named=scores.count_known_names(),
    )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Means over sources, each of which weighs the same; NaN without any.

    Attributes:
        known_auc: mean AUC on the hold-out of known sources, over all detectors.
        generator_auc, worst_generator_auc: of generators left out.
        reprocessed_auc: mean AUC of generators left out with photographs' file history.
        found: mean share of generators left out that is answered "generated", by target.
        false_alarms, worst_false_alarms: the same of photographs left out, by target.
    """

    known_auc: float
    generator_auc: float
    worst_generator_auc: float
    found: tuple[float, ...]
    false_alarms: tuple[float, ...]
    worst_false_alarms: tuple[float, ...]
    reprocessed_auc: float = float("nan")


def summarise(rows: Sequence[SourceFigures]) -> Summary:
    generators = [row for row in rows if row.label]
    photographs = [row for row in rows if not row.label]
    aucs = [row.auc.value for row in generators]
    return Summary(
        known_auc=_compute_mean([row.known_auc.value for row in rows]),
        generator_auc=_compute_mean(aucs),
        worst_generator_auc=min(aucs, default=float("nan")),
        found=_combine_shares(generators, _compute_mean),
        false_alarms=_combine_shares(photographs, _compute_mean),
        worst_false_alarms=_combine_shares(photographs, lambda values: max(values, default=np.nan)),
        reprocessed_auc=_compute_mean([row.reprocessed_auc.value for row in generators]),
    )


def _combine_shares(
    rows: Sequence[SourceFigures], combine: Callable[[Sequence[float]], float]
) -> tuple[float, ...]:
    return tuple(
        combine([row.generated_shares[number].value for row in rows])
        for number in range(len(REPORTED_TARGETS))
    )


def _compute_mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
