"""Everything that a validation found, and the files that say it: index.html, metrics.json, and the detector's model card."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_collection import manifest
from data_collection.audit import Audit
from data_collection.figures import Picture
from training.saved_models import Card
from validation import plain_json
from validation.breakdowns import Breakdown, Doubt, reliability
from validation.comparison import Comparison, Verdicts
from validation.controls import TwoSources
from validation.evaluation_set import EvaluationSet
from validation.explanations import Explained
from validation.intervals import CONFIDENCE, REPLICATES
from validation.judged import Judged
from validation.metrics import Estimate, calibrated_by_chance
from validation.pictures import Shown
from validation.robustness_summary import Robustness


@dataclass(frozen=True)
class Report:
    """Content of the page.

    Attributes:
        verdict: three sentences.
        wrong: the most wrong images of each class.
        sources: negative control, each pair of sources of photographs.
        audit: of the data set, if there is one.
        limits: what not to use the detector for.
        command: how to make the report again.
    """

    card: Card
    data: EvaluationSet
    verdict: list[str]
    verdicts: list[Verdicts]
    breakdowns: list[Breakdown]
    doubts: list[Doubt]
    wrong: dict[str, list[Shown]]
    explained: Explained
    sources: list[TwoSources]
    limits: list[str]
    command: str
    robustness: Robustness | None = None
    comparison: Comparison | None = None
    audit: Audit | None = None
    pictures: list[Picture] = field(default_factory=list)

    @property
    def judged(self) -> Judged:
        return self.verdicts[0].judged

    @property
    def estimates(self) -> dict[str, Estimate]:
        return self.verdicts[0].estimates


def write(report: Report, folder: Path) -> Path:
    """Writes the page and metrics.json; returns the page's path."""
    from validation import report_page

    plain_json.write(folder / "metrics.json", as_json(report))
    # A file name that is no UTF-8 holds surrogates, which cannot be encoded.
    manifest.write_whole(folder / "index.html", report_page.page(report).encode(errors="replace"))
    return folder / "index.html"


def as_json(report: Report) -> dict[str, Any]:
    """metrics.json: every number of the page, and what is needed to make it again; the same from one run to the next."""
    card, data = report.card, report.data
    numbers = {
        "model": card.name,
        "model_sha256": card.sha256,
        "banner": card.banner,
        "judged_on": {
            "name": data.name,
            "images": _per_label(report.judged.labels),
            "groups": len(np.unique(report.judged.groups)),
            "not_judged": [{"file": file, "reason": reason} for file, reason in data.refused],
            "opened": data.opened and {"times": data.opened[0], "detectors": data.opened[1]},
            "one_source_each": data.one_source_each,
            "overlap_with_training": data.overlap,
            "not_checked": data.unchecked,
            "hold_out_sha256": card.dataset["hold_out_sha256"] if data.opened else None,
        },
        "verdict": report.verdict,
        "calibration": card.calibration,
        "detectors": {
            each.name: {
                "threshold": each.judged.threshold,
                "metrics": each.estimates,
                "delong": each.delong,
                "confusion": each.judged.confusion,
            }
            for each in report.verdicts
        },
        "breakdowns": report.breakdowns,
        "doubt": report.doubts,
        "reliability": list(reliability(report.judged)),
        "ece_of_a_calibrated_detector": calibrated_by_chance(report.judged),
        "most_wrong": {
            label: [{"file": each.file, "source": each.source, "probability": each.probability} for each in images]
            for label, images in report.wrong.items()
        },
        "robustness": report.robustness
        and {
            "images": report.robustness.images,
            "conditions": [report.robustness.clean, *report.robustness.conditions],
            "most_biased": report.robustness.biased and report.robustness.biased.name,
        },
        "comparison": report.comparison,
        "explanations": {"checks": report.explained.checks, "neighbours": report.explained.purities},
        "negative_controls": {"shuffled_labels": report.explained.shuffled, "two_sources": report.sources},
        "audit": report.audit and {"verdict": report.audit.verdict, "fingerprint": report.audit.fingerprint},
        "limits": report.limits,
        "data_of_the_training": card.dataset,
        "base": card.base,
        "canonicaliser": card.canonicaliser,
        "bootstrap": {"replicates": REPLICATES, "confidence": CONFIDENCE, "seed": 0},
        "versions": card.versions,
        "command": report.command,
    }
    return numbers


def _per_label(labels: np.ndarray) -> dict[str, int]:
    return {label: int(np.sum(labels == number)) for number, label in enumerate(manifest.LABELS)}
