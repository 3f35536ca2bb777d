"""inspect(): audits a data set and shows what was found: a table, audit.json, the page audit.html,
pictures in TensorBoard."""

import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.audit import audit
from data_collection.audit.audit import Audit
from data_collection.audit.probes import ProbeResult
from data_collection.audit_report import figures
from data_collection.audit_report import page as data_report
from data_collection.dataset import manifest
from data_collection.dataset.frozen_settings import read_frozen_settings
from runtime import atomic_files, console, tensorboard_files

TIER_LABELS = {1: "must be at chance", 2: "nuisance", 3: "for information"}


def audit_dataset(folder: Path, logs: Path, seed: int = 0, again: bool = True) -> Audit:
    """Audits the data set in `folder` and shows the result.

    Args:
        again: also where an audit of exactly these images is there.

    Raises:
        PlainError: there is no data set, or a file of it is missing or altered.
    """
    records = manifest.read_manifest(folder)
    console.print_heading("Audit")
    kept = audit.read_audit(folder)
    if (
        kept
        and not again
        and kept.fingerprint == manifest.compute_fingerprint(records)
        and (folder / "audit.html").exists()
    ):
        print_audit(kept)
        return kept
    found = audit.run_audit(folder, records, read_frozen_settings(folder).image_size, seed)
    with atomic_files.lock_folder(folder):
        audit.write_audit(folder, found)
        page = data_report.write_audit_page(folder, records, found)
    _log_figures(folder, records, logs)
    print_audit(found)
    console.print_message(f"The whole report: {page}")
    return found


def print_audit(found: Audit) -> None:
    """Prints the probes, as collected beside as trained, then the placebo and the verdict."""
    rows = [
        [
            TIER_LABELS[(one or other).tier],
            (one or other).name,
            _format_interval(one),
            _format_interval(other),
            other.verdict if other else "",
        ]
        for one, other in _pair_probes(found.as_collected, found.as_trained)
    ]
    rows += [
        ["must be at chance", f"placebo: {one.name}", "", _format_interval(one), one.verdict]
        for one in found.placebo
    ]
    title = "How well the label can be told without looking at the face: AUC, 95% interval"
    console.print_table(title, ["", "probe", "as collected", "as trained", "verdict"], rows)
    for tell in found.tells:
        console.print_message(tell)
    console.print_message(f"{found.verdict}: {found.sentence}")


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
        for picture in figures.render_figures(folder, records):
            pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))
            writer.add_image(f"data/{picture.name}", pixels, dataformats="HWC")
