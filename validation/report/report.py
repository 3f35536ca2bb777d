"""ValidationReport: all results of a validation, and their JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data_collection.audit.audit import SizeAudit
from data_collection.dataset import manifest
from data_collection.dataset.manifest import ImageClass
from data_collection.stored_datasets.corrections import describe_change
from runtime.plotting import ReportFigure
from training.cuts.statement import DetectorStatement
from training.detectors.card import Card
from training.final_detector.next_steps import NextStep
from validation.data.evaluation_set import EvaluationSet
from validation.explanations.explain import Explanations
from validation.explanations.image_panels import ImagePanel
from validation.explanations.negative_controls import SourcePairControl
from validation.gaps.gaps import ColumnGaps
from validation.generators.confusion import GeneratorConfusion
from validation.metrics.abstention import AbstentionStatistics
from validation.metrics.baseline_comparison import BaselineComparison
from validation.metrics.breakdowns import Breakdown
from validation.metrics.comparison import DetectorComparison, DetectorResult
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import BOOTSTRAP_REPLICATES, CONFIDENCE_LEVEL
from validation.metrics.reliability import (
    compute_chance_calibration_error,
    compute_reliability_bins,
)
from validation.metrics.scored_images import ScoredImages
from validation.outside.outside_result import OutsideResult, build_outside_json
from validation.regression_set.report_json import build_came_back_json
from validation.regression_set.scoring import RescoredSet
from validation.robustness.summary import RobustnessSummary
from validation.sharing.results import SharingSummary


@dataclass(frozen=True, kw_only=True)
class ValidationReport:
    """All results of a validation.

    Attributes:
        summary: three sentences.
        comparisons: with its baselines.
        results: of the detector, its baselines and the detector of --against, in this order.
        outside: the detector of --against, if Telltale did not make it.
        sharing: what passing on changes, if images are distorted at all.
        gaps: in false alarms, by attribute of the photographs.
        abstentions: of photographs, of generated images, and of all.
        most_wrong: the most wrong images of each class.
        source_pairs: negative controls, one for each pair of sources of photographs.
        generators: that are named, by source; None for a detector that names none.
        limits: what not to use the detector for.
        next_steps: what to do about its weaknesses.
        command: reproduces the report.
        audit: of the data set at the detector's size, if there is one.
        came_back: pictures that were judged wrongly before, if any were kept.
    """

    card: Card
    data: EvaluationSet
    summary: list[str]
    comparisons: Sequence[BaselineComparison]
    results: list[DetectorResult]
    breakdowns: list[Breakdown]
    abstentions: list[AbstentionStatistics]
    most_wrong: dict[ImageClass, list[ImagePanel]]
    explanations: Explanations
    source_pairs: list[SourcePairControl]
    limits: list[str]
    command: str
    robustness: RobustnessSummary | None = None
    sharing: SharingSummary | None = None
    comparison: DetectorComparison | None = None
    outside: OutsideResult | None = None
    gaps: list[ColumnGaps] = field(default_factory=list)
    generators: GeneratorConfusion | None = None
    audit: SizeAudit | None = None
    next_steps: list[NextStep] = field(default_factory=list)
    figures: list[ReportFigure] = field(default_factory=list)
    came_back: RescoredSet | None = None

    @property
    def scored(self) -> ScoredImages:
        return self.results[0].scored

    @property
    def statement(self) -> DetectorStatement:
        """The worth of the detector's answers, in sentences and numbers."""
        return self.card.make_statement()

    @property
    def estimates(self) -> dict[str, Estimate]:
        return self.results[0].estimates


def build_metrics_json(report: ValidationReport) -> dict[str, Any]:
    """Build metrics.json: every number of the page, and what is needed to reproduce it.

    A second run gives the same.
    """
    card = report.card
    return {
        "model": card.name,
        "model_sha256": card.sha256,
        "banner": card.banner,
        "evaluation_set": _build_data_json(report),
        "summary": report.summary,
        "calibration": card.calibration,
        "statement": report.statement,
        **_build_result_json(report),
        "limits": report.limits,
        "next_steps": report.next_steps,
        "training_data": card.dataset,
        "base": card.base,
        "more_bases": card.more_bases,
        "canonicaliser": card.canonicaliser,
        "bootstrap": {
            "replicates": BOOTSTRAP_REPLICATES,
            "confidence": CONFIDENCE_LEVEL,
            "seed": 0,
        },
        "versions": card.versions,
        "command": report.command,
    }


def _build_data_json(report: ValidationReport) -> dict[str, Any]:
    data = report.data
    return {
        "name": data.name,
        "images": _count_per_label(report.scored.labels),
        "groups": len(np.unique(report.scored.groups)),
        "rejected": [{"file": file, "reason": reason} for file, reason in data.rejected],
        "hold_out_openings": data.hold_out_openings
        and {"times": data.hold_out_openings[0], "detectors": data.hold_out_openings[1]},
        "one_source_per_class": data.one_source_per_class,
        "overlap_with_training": data.overlap,
        "overlap_unknown_reason": data.overlap_unknown_reason,
        "corrections": [
            {"file": row.file, "because": row.because, "change": describe_change(row)}
            | {"time": row.time, "openings_before": row.hold_out_openings}
            for row in data.corrections
        ],
        "hold_out_sha256": report.card.dataset.hold_out_sha256 if data.hold_out_openings else None,
    }


def _build_result_json(report: ValidationReport) -> dict[str, Any]:
    robustness = report.robustness
    return {
        "detectors": {result.name: _build_detector_json(result) for result in report.results},
        "breakdowns": report.breakdowns,
        "false_alarm_gaps": report.gaps,
        "generators": report.generators,
        "abstention": report.abstentions,
        "reliability": list(compute_reliability_bins(report.scored)),
        "chance_ece": compute_chance_calibration_error(report.scored),
        "most_wrong": {
            label: [
                {
                    "id": panel.id,
                    "file": panel.file,
                    "source": panel.source,
                    "probability": panel.probability,
                    "similar_training_faces": [
                        {"label": shown.face.label, "source": shown.face.source}
                        for shown in panel.similar
                    ],
                }
                for panel in panels
            ]
            for label, panels in report.most_wrong.items()
        },
        "robustness": robustness
        and {
            "images": robustness.images,
            "conditions": [robustness.undistorted, *robustness.conditions],
            "most_biased": robustness.most_biased and robustness.most_biased.name,
        },
        "sharing": report.sharing,
        "comparison": report.comparison,
        "outside": report.outside and build_outside_json(report.outside),
        "came_back": report.came_back and build_came_back_json(report.came_back),
        **_build_explanations_json(report),
        "audit": report.audit and {"status": report.audit.status, "size": report.audit.size},
    }


def _build_explanations_json(report: ValidationReport) -> dict[str, Any]:
    shuffled = report.explanations.shuffled
    return {
        "explanations": {
            "checks": report.explanations.checks,
            "neighbours": [
                {"attribute": purity.attribute, "share": purity.share, "chance": purity.chance}
                for purity in report.explanations.purities
            ],
        },
        "negative_controls": {
            "shuffled_labels": shuffled
            and {
                "true_label_auc": shuffled.true_label_auc,
                "mean": shuffled.mean,
                "low": shuffled.low,
                "high": shuffled.high,
                "standard_error": shuffled.error,
                "n_training_images": shuffled.n_training_images,
            },
            "source_pairs": [
                {"first": pair.first, "second": pair.second, "auc": pair.auc}
                for pair in report.source_pairs
            ],
        },
    }


def _build_detector_json(result: DetectorResult) -> dict[str, Any]:
    return {
        "threshold": result.scored.threshold,
        "metrics": result.estimates,
        "delong": result.delong,
        "confusion": result.scored.confusion_counts,
    }


def _count_per_label(labels: np.ndarray) -> dict[str, int]:
    return {label: int(np.sum(labels == number)) for number, label in enumerate(manifest.LABELS)}
