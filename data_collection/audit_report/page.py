"""audit.html: a self-contained page about what a data set holds and whether its label can be
predicted without the face.

It needs no network and runs no script. File names, prompts and sources, written by strangers, are
escaped.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.audit import probes as audit_probes
from data_collection.audit.audit import Audit
from data_collection.audit.probes import ProbeResult
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
from data_collection.dataset import grouping, manifest
from data_collection.dataset.manifest import LABELS, FaceRecord
from data_collection.images import canonical
from runtime import atomic_files, html_pages
from runtime.plotting import ReportFigure

PAGE_TEMPLATE = "page.html.jinja"

TIER_MEANINGS = {
    1: "Must be at chance. Facts of the file, and of what was done to it before; in a new picture they are no evidence at all.",
    2: "Nuisance. What was photographed or drawn, how it is lit and framed. A detector has to do clearly better than these.",
    3: "For information. Fine statistics of the pixels, where generators leave their traces: evidence, or one more nuisance.",
}
STATUS_STYLES = {
    "GREEN": ("good", f"surely under {audit_probes.MAX_CHANCE_AUC:.2f}"),
    "AMBER": ("doubt", f"perhaps above {audit_probes.MAX_CHANCE_AUC:.2f}"),
    "RED": ("bad", f"surely above {audit_probes.MAX_CHANCE_AUC:.2f}: a shortcut"),
    "WARN": ("doubt", f"surely above {audit_probes.WARNING_AUC:.2f}"),
    "too few": (
        "unknown",
        f"under {audit_probes.MIN_GROUPS_FOR_GREEN} groups or {audit_probes.MIN_IMAGES_FOR_GREEN} "
        "images in a class",
    ),
    "reported": ("unknown", "reported only"),
}
"""Colour of each status, and what it says about the 95% interval."""


@dataclass(frozen=True)
class ProbeTier:
    """Probes of one tier: name, as collected, as trained."""

    number: int
    meaning: str
    rows: list[tuple[str, ProbeResult | None, ProbeResult | None]]


def write_audit_page(
    folder: Path,
    records: Sequence[FaceRecord],
    audit: Audit,
    drawn: Sequence[ReportFigure] | None = None,
) -> Path:
    """Write the page of the data set in `folder` and return its path.

    Args:
        report_figures: what `render_figures` returned, if it was called already.

    Raises:
        PlainError: a file of train or validation is missing or was altered.
    """
    drawn = figures.render_figures(folder, records) if drawn is None else drawn
    path = folder / "audit.html"
    # A file name that is no UTF-8 holds surrogates, which cannot be encoded.
    atomic_files.write_atomically(
        path,
        render_audit_page(folder.absolute().name, records, audit, drawn).encode(errors="replace"),
    )
    return path


def render_audit_page(
    name: str, records: Sequence[FaceRecord], audit: Audit, drawn: Sequence[ReportFigure]
) -> str:
    seen = manifest.select_accepted(records, *AUDITED_SPLITS)
    return html_pages.load_template(Path(__file__).parent, PAGE_TEMPLATE).render(
        name=name,
        audit=audit,
        labels=LABELS,
        tiers=build_probe_tiers(audit),
        sources=build_source_rows(records),
        parts=list_used_splits(records),
        doubles=count_duplicates(records),
        places=count_split_members(records),
        members=count_group_sizes(records),
        attributes=tally_attributes(seen),
        makings=describe_generation(seen),
        pictures={picture.name: picture for picture in drawn},
        status_styles=STATUS_STYLES,
        chance=audit_probes.MAX_CHANCE_AUC,
        near=grouping.MAX_NEAR_DUPLICATE_BITS,
        most=figures.MAX_MEASURED_IMAGES,
        window=image_statistics.MEASURED_CENTRE_PX,
        canonicaliser=canonical.CANONICALISER_VERSION,
    )


def build_probe_tiers(audit: Audit) -> list[ProbeTier]:
    """Pair each probe as collected with the same one as trained; either may be absent."""
    probes = [
        {probe.name: probe for probe in side} for side in (audit.as_collected, audit.as_trained)
    ]
    found: dict[int, list] = {}
    for name in dict.fromkeys(itertools.chain(*probes)):
        pair = tuple(side.get(name) for side in probes)
        found.setdefault(next(probe for probe in pair if probe).tier, []).append((name, *pair))
    return [
        ProbeTier(number, TIER_MEANINGS.get(number, ""), found[number]) for number in sorted(found)
    ]
