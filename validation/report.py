"""Everything that a validation found, and the files that say it: index.html, metrics.json, and the detector's model card."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_collection import manifest
from data_collection.audit import Audit
from data_collection.figures import Picture
from training.saved_models import Card
from validation.breakdowns import Breakdown, Doubt, reliability
from validation.comparison import Comparison
from validation.evaluation_set import EvaluationSet
from validation.feature_space import Purity, Shuffled
from validation.heat_maps import Checks
from validation.intervals import CONFIDENCE, REPLICATES
from validation.judged import Judged
from validation.metrics import Estimate, calibrated_by_chance
from validation.pictures import Shown
from validation.robustness_summary import Robustness


@dataclass(frozen=True)
class Verdicts:
    """One detector on the images: the one that is judged, a baseline of it, or a rival.

    Attributes:
        delong: DeLong's interval of the ROC AUC; None where images share groups.
    """

    name: str
    judged: Judged
    estimates: dict[str, Estimate]
    delong: Estimate | None = None


@dataclass(frozen=True)
class TwoSources:
    """How well the detector's probability tells two sources of photographs apart: .5 if it looks at nothing but the label."""

    one: str
    other: str
    auc: Estimate


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

    manifest.write_whole(folder / "metrics.json", (json.dumps(as_json(report), indent=1) + "\n").encode())
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
                "confusion": confusion(each.judged),
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
    return _plain(numbers)


def confusion(judged: Judged) -> dict[str, int]:
    """Counts at the threshold, by label and call."""
    called, generated = judged.called_generated, judged.labels == 1
    return {
        "real called real": int(np.sum(~generated & ~called)),
        "real called generated": int(np.sum(~generated & called)),
        "generated called real": int(np.sum(generated & ~called)),
        "generated called generated": int(np.sum(generated & called)),
    }


def _per_label(labels: np.ndarray) -> dict[str, int]:
    return {label: int(np.sum(labels == number)) for number, label in enumerate(manifest.LABELS)}


def _plain(value: Any) -> Any:
    """What JSON can hold: dataclasses as objects, numbers with six digits, NaN as null."""
    if dataclasses.is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return None if not np.isfinite(value) else round(float(value), 6)
    if isinstance(value, np.integer):
        return int(value)
    return value
