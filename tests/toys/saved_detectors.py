"""Copies of the toy detector under other names: of another age, validated or not, of the sample."""

import dataclasses
import json
import shutil
from pathlib import Path

from training.detectors.card import Card, read_card, write_card
from validation.report.report_files import METRICS_FILE, REPORT_FOLDER


def copy_detector(toy: Path, folder: Path, created: str = "2026-01-01", **changes: object) -> Card:
    """Copy a detector, without its report, to a folder that names it; change fields of its card."""
    shutil.copytree(toy, folder, ignore=shutil.ignore_patterns(REPORT_FOLDER, "cache"))
    card = dataclasses.replace(read_card(toy), name=folder.name, created=created, **changes)
    write_card(folder, card)
    return card


def mark_as_validated(folder: Path) -> None:
    """Write the part of a report that says which model file it is of."""
    report = {"model_sha256": read_card(folder).sha256}
    (folder / REPORT_FOLDER).mkdir()
    (folder / REPORT_FOLDER / METRICS_FILE).write_text(json.dumps(report))
