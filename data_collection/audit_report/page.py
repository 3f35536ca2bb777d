"""Render audit.html: what a data set holds, and whether anything but the face gives labels away.

It needs no network and runs no script. File names, prompts and sources come from strangers and are
escaped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.audit import probes as audit_probes
from data_collection.audit.audit import Audit
from data_collection.audit.probes import ProbeResult, align_probes
from data_collection.audit_report import figures, image_statistics
from data_collection.audit_report.image_statistics import AUDITED_SPLITS
from data_collection.audit_report.tables import (
    build_source_rows,
    count_duplicates,
    count_group_sizes,
    count_split_members,
    describe_generation,
    list_used_splits,
    tally_attributes,
)
from data_collection.dataset import manifest, near_duplicates
from data_collection.dataset.manifest import LABELS, FaceRecord
from data_collection.images import canonical
from runtime import atomic_files, html_pages
from runtime.plotting import ReportFigure

PAGE_TEMPLATE = "page.html.jinja"

TIER_MEANINGS = {
    1: "Must be at chance. Facts of the file, and of its processing history; in a new image they "
    "are no evidence at all.",
    2: "Processing. What sharpening, smoothing, noise, chroma subsampling, resizing, a lens, a "
    "lost colour profile or a frame change: a source's work on its files, or a generator's trace.",
    3: "Nuisance. Content, lighting and framing. A detector has to do clearly better than these.",
    4: "For information. Fine statistics of the pixels, where generators leave their traces: "
    "evidence, or one more nuisance.",
}
STATUS_STYLES = {
    "GREEN": ("good", f"surely under {audit_probes.MAX_CHANCE_AUC:.2f}"),
    "AMBER": (
        "doubt",
        f"perhaps above {audit_probes.MAX_CHANCE_AUC:.2f} (tier 1), surely above "
        f"{audit_probes.MAX_PROCESSING_AUC:.2f} (tier 2) or {audit_probes.NEAR_PERFECT_AUC:.2f} "
        "(tier 3)",
    ),
    "RED": ("bad", f"surely above {audit_probes.MAX_CHANCE_AUC:.2f}: a shortcut"),
    "WARN": ("doubt", f"surely above {audit_probes.WARNING_AUC:.2f}"),
    "too few": (
        "unknown",
        f"under {audit_probes.MIN_GROUPS_FOR_GREEN} groups or {audit_probes.MIN_IMAGES_FOR_GREEN} "
        "images in a class",
    ),
    "reported": ("unknown", "reported only"),
}
"""CSS class of each status, and what the status says about the 95% interval."""


@dataclass(frozen=True)
class ProbeTier:
    """Probes of one tier; each row is a name and the results as collected and at every size."""

    number: int
    meaning: str
    rows: list[tuple[str, list[ProbeResult | None]]]


def write_audit_page(
    folder: Path,
    records: Sequence[FaceRecord],
    audit: Audit,
    report_figures: Sequence[ReportFigure] | None = None,
) -> Path:
    """Write the page of the data set in `folder` and return its path.

    Args:
        report_figures: the result of `render_figures`, if it was called already.

    Raises:
        PlainError: a file of train or validation is missing or was altered.
    """
    if report_figures is None:
        report_figures = figures.render_figures(folder, records)
    path = folder / "audit.html"
    text = render_audit_page(folder.absolute().name, records, audit, report_figures)
    # A file name that is not UTF-8 holds surrogates, which cannot be encoded.
    atomic_files.write_atomically(path, text.encode(errors="replace"))
    return path


def render_audit_page(
    name: str, records: Sequence[FaceRecord], audit: Audit, report_figures: Sequence[ReportFigure]
) -> str:
    audited = manifest.select_accepted(records, *AUDITED_SPLITS)
    return html_pages.load_template(Path(__file__).parent, PAGE_TEMPLATE).render(
        name=name,
        audit=audit,
        labels=LABELS,
        tiers=build_probe_tiers(audit),
        controls=align_probes(
            [[*of_size.placebo, *of_size.confirmations] for of_size in audit.sizes]
        ),
        sources=build_source_rows(records),
        splits=list_used_splits(records),
        duplicate_counts=count_duplicates(records),
        split_members=count_split_members(records),
        group_sizes=count_group_sizes(records),
        attributes=tally_attributes(audited),
        generation=describe_generation(audited),
        report_figures={figure.name: figure for figure in report_figures},
        status_styles=STATUS_STYLES,
        max_chance_auc=audit_probes.MAX_CHANCE_AUC,
        near_duplicate_definition=near_duplicates.DEFINITION,
        max_measured_images=figures.MAX_MEASURED_IMAGES,
        measured_centre_px=image_statistics.MEASURED_CENTRE_PX,
        canonicaliser_version=canonical.CANONICALISER_VERSION,
    )


def build_probe_tiers(audit: Audit) -> list[ProbeTier]:
    """Pair each probe as collected with the same one as trained; either may be absent."""
    sides = [audit.as_collected, *(of_size.as_trained for of_size in audit.sizes)]
    rows_by_tier: dict[int, list] = {}
    for name, probes in align_probes(sides):
        tier = next(probe for probe in probes if probe).tier
        rows_by_tier.setdefault(tier, []).append((name, probes))
    return [
        ProbeTier(tier, TIER_MEANINGS.get(tier, ""), rows)
        for tier, rows in sorted(rows_by_tier.items())
    ]
