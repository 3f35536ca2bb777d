"""Read and write audit.json, and stop a training on a data set whose audit is RED."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from data_collection.audit.audit import Audit
from data_collection.audit.conclusions import SHORTCUT_REMEDY
from data_collection.audit.probes import format_probes
from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from runtime import atomic_files, checked_json, console


def audit_path(folder: Path) -> Path:
    return folder / "audit.json"


def write_audit(folder: Path, audit: Audit) -> None:
    atomic_files.write_atomically(
        audit_path(folder), (json.dumps(dataclasses.asdict(audit), indent=1) + "\n").encode()
    )


def read_audit(folder: Path) -> Audit | None:
    """Return the audit of a data set; None if there is none.

    Raises:
        PlainError: the file is damaged; to ignore it would open the gate.
    """
    path = audit_path(folder)
    try:
        return checked_json.parse_json_as(path.read_bytes(), Audit)
    except FileNotFoundError:
        return None
    except ValueError:
        raise console.PlainError(
            f"{path} is damaged, or was written by an older version. Delete it and run "
            f"python -m data_collection audit {folder}.",
            console.EXIT_DISK,
        ) from None


def read_audit_status(folder: Path, size: int) -> str:
    """Return the status of a data set's audit at this size; empty if it was not audited at it."""
    audit = read_audit(folder)
    of_size = audit and audit.find_size(size)
    return of_size.status if of_size else ""


def check_audit_gate(
    folder: Path, records: Sequence[FaceRecord], size: int, accept_shortcuts: bool
) -> str:
    """Return the note that reports of trainings on this data set begin with; may be empty.

    Args:
        size: side of the images that training sees, in pixels.

    Raises:
        PlainError: with exit code 4, if the audit is RED and shortcuts are not accepted.
    """
    audit = read_audit(folder)
    if audit is None:
        return (
            f"{folder} has not been audited: it is unknown whether something other than the "
            "face gives the label away."
        )
    if audit.fingerprint != manifest.compute_fingerprint(records):
        return f"The audit of {folder} is out of date: images, groups or splits have changed since."
    of_size = audit.find_size(size)
    if of_size is None:
        return (
            f"The audit of {folder} did not measure images of {size} px, which training sees. Run "
            f"python -m data_collection audit {folder} --sizes {size}."
        )
    if of_size.status != "RED":
        return ""
    red = format_probes([probe for probe in of_size.gate_probes if probe.status == "RED"])
    if not accept_shortcuts:
        raise console.PlainError(
            f"The audit of {folder} is RED at {size} px: {red}. {SHORTCUT_REMEDY}",
            console.EXIT_SHORTCUT,
        )
    return (
        f"Trained on a data set whose audit is RED, so its figures may measure a shortcut: {red}."
    )
