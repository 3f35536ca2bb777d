"""Test whether anything but the face gives the label away, as collected and as trained.

Only rows of train and validation are measured, nothing of the hold-out, not even its file facts.
Whole groups are assigned to splits by hash within each source, so the result holds for the
unopened hold-out too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from data_collection.audit import features, placebo
from data_collection.audit.batches import map_in_batches
from data_collection.audit.conclusions import (
    AuditStatus,
    decide_audit_status,
    explain_audit_status,
)
from data_collection.audit.file_differences import find_file_differences, find_grey_class
from data_collection.audit.file_features import FeatureValues
from data_collection.audit.placebo import FileHistory
from data_collection.audit.probes import (
    NUISANCE_TIER,
    PROBE_TIERS,
    ProbeResult,
    evaluate_probe,
)
from data_collection.dataset import manifest, stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode

GENERATED_IMAGES_PHRASE = "the generated images"


@dataclass(frozen=True, kw_only=True)
class SizeAudit:
    """Findings of the probes in images of one size, as training sees them.

    Attributes:
        size: side of the images in pixels.
        status: the worst status of any probe.
        sentence: explanation of the status, and what to do.
        as_trained: probes of view 0; files are not part of them.
        placebo: one probe per class. It compares the class's images with a history of their own
            class's files against the same images with a history of the other's. The content is the
            same, so anything that separates them is history that the canonicaliser left in the
            pixels.
        confirmations: probes that training made because a nuisance was near-perfect, see
            training/audit_gate.py.
    """

    size: int
    status: AuditStatus
    sentence: str
    as_trained: list[ProbeResult]
    placebo: list[ProbeResult]
    confirmations: list[ProbeResult]

    @property
    def gate_probes(self) -> list[ProbeResult]:
        """Every probe of what training sees."""
        return [*self.as_trained, *self.placebo, *self.confirmations]

    @property
    def near_perfect_nuisances(self) -> list[ProbeResult]:
        return [p for p in self.as_trained if (p.tier, p.status) == (NUISANCE_TIER, "AMBER")]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Content of audit.json.

    Attributes:
        sizes: one audit for each size of images, the smallest first.
        as_collected: probes of the original files.
        file_differences: facts of the files that differ between the classes, as sentences.
        images, groups: numbers of measured images and groups, by label.
        fingerprint: of the data set, see `manifest.compute_fingerprint`.
    """

    sizes: list[SizeAudit]
    as_collected: list[ProbeResult]
    file_differences: list[str]
    images: dict[str, int]
    groups: dict[str, int]
    fingerprint: str

    @property
    def status(self) -> AuditStatus:
        """The worst status of any size."""
        statuses = {size.status for size in self.sizes}
        return next(status for status in get_args(AuditStatus) if status in statuses)

    def find_size(self, size: int) -> SizeAudit | None:
        """Return the audit of images of this side in pixels, or None."""
        return next((audit for audit in self.sizes if audit.size == size), None)


@dataclass(frozen=True)
class ImageMeasurement:
    """Features of one image as trained, by probe, and the history of its file."""

    features: dict[str, FeatureValues]
    history: FileHistory


def run_audit(
    folder: Path,
    records: Sequence[FaceRecord],
    sizes: Sequence[int],
    seed: int = 0,
    earlier: Audit | None = None,
) -> Audit:
    """Audit every accepted image of train and validation, as collected and as trained.

    Args:
        sizes: sides of the images that training sees, in pixels.
        earlier: an audit of the same images, to which the sizes are added.

    Raises:
        PlainError: an original is missing or was altered.
    """
    rows = manifest.select_accepted(records, "train", "validation")
    audit = earlier or audit_files(folder, records, rows, seed)
    for size in sorted(set(sizes)):
        measurements = measure_size(folder, rows, size)
        as_trained, placebo_probes = evaluate_size(folder, rows, measurements, size, seed)
        audit = add_size(audit, size, as_trained, placebo_probes)
    return audit


def audit_files(
    folder: Path, records: Sequence[FaceRecord], rows: Sequence[FaceRecord], seed: int
) -> Audit:
    """Audit the originals of `rows`, as they were collected; no size yet."""
    originals = list(
        map_in_batches(rows, lambda row: measure_file(folder, row), "looking for shortcuts")
    )
    return Audit(
        sizes=[],
        as_collected=evaluate_probes(originals, rows, seed),
        file_differences=[
            *find_grey_class([values["colour"] for values in originals], rows),
            *find_file_differences([values["container"] for values in originals], rows),
        ],
        images={label: sum(row.label == label for row in rows) for label in manifest.LABELS},
        groups={
            label: len({row.group for row in rows if row.label == label})
            for label in manifest.LABELS
        },
        fingerprint=manifest.compute_fingerprint(records),
    )


def evaluate_size(
    folder: Path,
    rows: Sequence[FaceRecord],
    measurements: Sequence[ImageMeasurement],
    size: int,
    seed: int,
) -> tuple[list[ProbeResult], list[ProbeResult]]:
    """Return the probes of images of one size, and the placebo probes.

    Args:
        measurements: of the rows, by `measure_size`.
    """
    as_trained = evaluate_probes([measured.features for measured in measurements], rows, seed)
    histories = [(row, measured.history) for row, measured in zip(rows, measurements, strict=True)]
    placebo_probes = [
        placebo.run_placebo_test(folder, histories, label, size, seed) for label in manifest.LABELS
    ]
    return as_trained, placebo_probes


def add_size(
    audit: Audit,
    size: int,
    as_trained: list[ProbeResult],
    placebo_probes: list[ProbeResult],
    confirmations: Sequence[ProbeResult] = (),
) -> Audit:
    """Return the audit with the conclusions about one size, in place of earlier ones."""
    probes = [*as_trained, *placebo_probes, *confirmations]
    concluded = SizeAudit(
        size=size,
        status=decide_audit_status(probes),
        sentence=explain_audit_status(audit.as_collected, probes, audit.images, audit.groups),
        as_trained=as_trained,
        placebo=placebo_probes,
        confirmations=list(confirmations),
    )
    others = [other for other in audit.sizes if other.size != size]
    return replace(audit, sizes=sorted([*others, concluded], key=lambda of_size: of_size.size))


def measure_file(folder: Path, row: FaceRecord) -> dict[str, FeatureValues]:
    """Return the features of one image as collected, by probe."""
    data = stored_images.read_original(folder, row)
    return features.measure_original(data, decode.decode_face(data, row.crop), row)


def measure_size(folder: Path, rows: Sequence[FaceRecord], size: int) -> list[ImageMeasurement]:
    """Measure images as training sees them at a side of `size` pixels."""

    def measure(row: FaceRecord) -> ImageMeasurement:
        data = stored_images.read_original(folder, row)
        face = decode.decode_face(data, row.crop)
        return ImageMeasurement(
            features.measure_canonical(face, row, size), placebo.read_file_history(data, face, row)
        )

    return list(map_in_batches(rows, measure, f"looking for shortcuts, {size} px"))


def evaluate_probes(
    image_features: Sequence[dict[str, FeatureValues]], rows: Sequence[FaceRecord], seed: int
) -> list[ProbeResult]:
    """Evaluate each probe by how well its features predict the labels of the rows."""
    generated = np.array([row.label == "generated" for row in rows])
    groups = np.array([row.group for row in rows])
    names = sorted(image_features[0], key=lambda name: PROBE_TIERS[name]) if image_features else ()
    return [
        evaluate_probe(
            name,
            [values[name] for values in image_features],
            generated,
            groups,
            GENERATED_IMAGES_PHRASE,
            seed,
        )
        for name in names
    ]
