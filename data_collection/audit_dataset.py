"""audit_dataset(): audit a data set and show the result.

It prints a table and writes audit.json, the page audit.html, and figures for TensorBoard.
"""

import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.audit.audit import Audit, run_audit
from data_collection.audit.audit_file import read_audit, write_audit
from data_collection.audit.probes import ProbeResult
from data_collection.audit_report.figures import render_figures
from data_collection.audit_report.page import write_audit_page
from data_collection.dataset import manifest
from data_collection.dataset.frozen_settings import read_frozen_settings
from runtime import atomic_files, console, tensorboard_files

TIER_LABELS = {1: "must be at chance", 2: "nuisance", 3: "for information"}


def audit_dataset(folder: Path, logs: Path, seed: int = 0, force: bool = True) -> Audit:
    """Audit the data set in `folder` and show the result.

    Args:
        force: audit again even if an audit of exactly these images exists.

    Raises:
        PlainError: there is no data set, or one of its files is missing or altered.
    """
    records = manifest.read_manifest(folder)
    console.print_heading("Audit")
    if not force:
        saved = read_audit(folder)
        if (
            saved
            and saved.fingerprint == manifest.compute_fingerprint(records)
            and (folder / "audit.html").exists()
        ):
            print_audit(saved)
            return saved
    audit = run_audit(folder, records, read_frozen_settings(folder).image_size, seed)
    with atomic_files.lock_folder(folder):
        write_audit(folder, audit)
        page = write_audit_page(folder, records, audit)
    _log_figures(folder, records, logs)
    print_audit(audit)
    console.print_message(f"Full report: {page}")
    return audit


def print_audit(audit: Audit) -> None:
    """Print every probe as collected and as trained, then the placebo probes and the status."""
    rows = [
        [
            TIER_LABELS[(collected or trained).tier],
            (collected or trained).name,
            _format_interval(collected),
            _format_interval(trained),
            trained.status if trained else "",
        ]
        for collected, trained in _pair_probes(audit.as_collected, audit.as_trained)
    ]
    rows += [
        ["must be at chance", f"placebo: {probe.name}", "", _format_interval(probe), probe.status]
        for probe in audit.placebo
    ]
    title = "How well the label can be predicted without looking at the face: AUC, 95% interval"
    console.print_table(title, ["", "probe", "as collected", "as trained", "status"], rows)
    for sentence in audit.file_differences:
        console.print_message(sentence)
    console.print_message(f"{audit.status}: {audit.sentence}")


def _pair_probes(
    collected: list[ProbeResult], trained: list[ProbeResult]
) -> list[tuple[ProbeResult | None, ProbeResult | None]]:
    names = dict.fromkeys(probe.name for probe in itertools.chain(collected, trained))
    pairs = [
        tuple(next((p for p in probes if p.name == name), None) for probes in (collected, trained))
        for name in names
    ]
    return sorted(pairs, key=lambda pair: (pair[0] or pair[1]).tier)


def _format_interval(probe: ProbeResult | None) -> str:
    return f"{probe.auc:.2f} ({probe.low:.2f} to {probe.high:.2f})" if probe else ""


def _log_figures(folder: Path, records: list[manifest.FaceRecord], logs: Path) -> None:
    with tensorboard_files.open_summary_writer(logs / "data_collection" / folder.name) as writer:
        for figure in render_figures(folder, records):
            pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB"))
            writer.add_image(f"data/{figure.name}", pixels, dataformats="HWC")
