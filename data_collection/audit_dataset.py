"""audit_dataset(): audit a data set and show the result.

It prints a table and writes audit.json, the page audit.html, and figures for TensorBoard.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.audit.audit import Audit, run_audit
from data_collection.audit.audit_file import read_audit, write_audit
from data_collection.audit.probes import ProbeResult, align_probes
from data_collection.audit_report.figures import render_figures
from data_collection.audit_report.page import build_probe_tiers, write_audit_page
from data_collection.command_settings import DEFAULT_TRAINING_SIZES
from data_collection.dataset import manifest
from data_collection.dataset.frozen_settings import read_frozen_settings
from runtime import atomic_files, console, tensorboard_files
from runtime.plotting import ReportFigure

TIER_LABELS = {1: "must be at chance", 2: "processing", 3: "nuisance", 4: "for information"}


def audit_dataset(
    folder: Path,
    logs: Path,
    seed: int = 0,
    force: bool = True,
    sizes: Sequence[int] = DEFAULT_TRAINING_SIZES,
) -> Audit:
    """Audit the data set in `folder` and show the result.

    Args:
        force: audit again even if an audit of exactly these images and sizes exists; other sizes
            are forgotten.
        sizes: sides of the images that training sees, in pixels; larger ones than the data set's
            are its own.

    Raises:
        PlainError: there is no data set, or one of its files is missing or altered.
    """
    records = manifest.read_manifest(folder)
    largest = read_frozen_settings(folder).image_size
    missing = {min(size, largest) for size in sizes}
    console.print_heading("Audit")
    saved = None if force else read_audit(folder)
    if saved and saved.fingerprint == manifest.compute_fingerprint(records):
        missing -= {of_size.size for of_size in saved.sizes}
        if not missing and (folder / "audit.html").exists():
            print_audit(saved)
            return saved
    else:
        saved = None
    audit = run_audit(folder, records, sorted(missing), seed, saved)
    figures = render_figures(folder, records)
    page = save_audit(folder, records, audit, figures)
    _log_figures(figures, logs / "data_collection" / folder.name)
    print_audit(audit)
    console.print_message(f"Full report: {page}")
    return audit


def save_audit(
    folder: Path,
    records: Sequence[manifest.FaceRecord],
    audit: Audit,
    report_figures: Sequence[ReportFigure] | None = None,
) -> Path:
    """Write audit.json and audit.html; return the path of the page.

    Args:
        report_figures: the result of `render_figures`, if it was called already.
    """
    with atomic_files.lock_folder(folder):
        write_audit(folder, audit)
        return write_audit_page(folder, records, audit, report_figures)


def print_audit(audit: Audit) -> None:
    """Print every probe as collected and as trained, then the placebo probes and the status."""
    headings = [f"as trained, {of_size.size} px" for of_size in audit.sizes]
    rows = [
        [TIER_LABELS[tier.number], name, *map(_format_interval, probes)]
        for tier in build_probe_tiers(audit)
        for name, probes in tier.rows
    ]
    controls = [[*of_size.placebo, *of_size.confirmations] for of_size in audit.sizes]
    rows += [
        ["must be at chance", name, "", *map(_format_interval, probes)]
        for name, probes in align_probes(controls)
    ]
    title = "How well the label can be predicted without looking at the face: AUC, 95% interval"
    console.print_table(title, ["", "probe", "as collected", *headings], rows)
    for sentence in audit.file_differences:
        console.print_message(sentence)
    for of_size in audit.sizes:
        console.print_message(f"{of_size.status} at {of_size.size} px: {of_size.sentence}")


def _format_interval(probe: ProbeResult | None) -> str:
    if not probe:
        return ""
    status = "" if probe.status == "reported" else f" {probe.status}"
    return f"{probe.auc:.2f} ({probe.low:.2f} to {probe.high:.2f}){status}"


def _log_figures(figures: Sequence[ReportFigure], log_folder: Path) -> None:
    with tensorboard_files.open_summary_writer(log_folder) as writer:
        for figure in figures:
            pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB"))
            writer.add_image(f"data/{figure.name}", pixels, dataformats="HWC")
