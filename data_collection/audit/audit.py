"""Test whether anything but the face gives the label away, as collected and as trained.

Only rows of train and validation are measured, nothing of the hold-out, not even its file facts.
Whole groups are assigned to splits by hash within each source, so the result holds for the
unopened hold-out too.
"""

import concurrent.futures
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from data_collection.audit import features
from data_collection.audit.file_differences import CLASS_PLURALS, find_file_differences
from data_collection.audit.file_features import FeatureValues
from data_collection.audit.probes import (
    MIN_GROUPS_FOR_GREEN,
    MIN_IMAGES_FOR_GREEN,
    PROBE_TIERS,
    ProbeResult,
    evaluate_probe,
    format_probes,
)
from data_collection.dataset import manifest, stored_images
from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.images import decode
from runtime import console

AuditStatus = Literal["RED", "too few", "AMBER", "GREEN"]
"""From worst to best."""

MAX_PLACEBO_IMAGES_PER_CLASS = 300
"""Limit of the placebo test, which measures each image twice."""

AUDIT_BATCH_IMAGES = 32
GENERATED_IMAGES_PHRASE = "the generated images"

SHORTCUT_REMEDY = (
    "Collect both classes in the same way (same sizes, same formats, nothing enlarged; originals "
    "at least twice as large as the images trained on erase most of it), or train anyway with "
    "--accept-shortcuts, which every report will state."
)
STATUS_SENTENCES: dict[AuditStatus, str] = {
    "RED": "What training sees gives the label away without a look at the face: {probes}. "
    + SHORTCUT_REMEDY,
    "AMBER": "No shortcut is proven in what training sees, but none is ruled out: {probes}. "
    "Collect more images to decide.",
    "GREEN": "Nothing but the image itself separates the classes in what training sees: {probes}.",
    "too few": "No shortcut is proven in what training sees, but there is too little data to rule "
    "one out: one class has {images} images in {groups} groups; "
    f"{MIN_IMAGES_FOR_GREEN} images in {MIN_GROUPS_FOR_GREEN} groups are needed. Collect more.",
}
REMOVED_SHORTCUT_SENTENCE = (
    " As collected, the files do give the label away: {probes}. The preparation shared by both "
    "classes removes that from what training sees, as far as these probes can measure."
)
CONTENT_DIFFERENCE_SENTENCE = (
    " The images also differ in simple properties, which a detector has to beat to have learnt "
    "anything more: {probes}."
)


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Content of audit.json.

    Attributes:
        status: the worst status of the Tier 1 probes "as trained" and of the placebo probes.
        sentence: explanation of the status, and what to do.
        as_collected: probes of the original files.
        as_trained: probes of view 0, the pixels that training sees; files are not part of them.
        placebo: one probe per class. It compares the class's images with a processing history of
            their own class against the same images with a history of the other class. The content
            is the same, so anything that separates them is history that the canonicaliser left in
            the pixels.
        file_differences: facts of the files that differ between the classes, as sentences.
        images, groups: numbers of measured images and groups, by label.
        fingerprint: of the data set, see `manifest.compute_fingerprint`.
    """

    status: AuditStatus
    sentence: str
    as_collected: list[ProbeResult]
    as_trained: list[ProbeResult]
    placebo: list[ProbeResult]
    file_differences: list[str]
    images: dict[str, int]
    groups: dict[str, int]
    fingerprint: str


def run_audit(folder: Path, records: Sequence[FaceRecord], image_size: int, seed: int = 0) -> Audit:
    """Audit every accepted image of train and validation, as collected and as trained.

    Args:
        image_size: side of the images that training sees, in pixels.

    Raises:
        PlainError: an original is missing or was altered.
    """
    rows = manifest.select_accepted(records, "train", "validation")
    measurements = list(
        _map_in_batches(
            rows, lambda row: measure_image(folder, row, image_size), "looking for shortcuts"
        )
    )
    original_features = [original for original, _ in measurements]
    as_collected = evaluate_probes(original_features, rows, seed)
    as_trained = evaluate_probes([canonical for _, canonical in measurements], rows, seed)
    placebo = [run_placebo_test(folder, rows, label, image_size, seed) for label in manifest.LABELS]
    images = {label: sum(row.label == label for row in rows) for label in manifest.LABELS}
    groups = {
        label: len({row.group for row in rows if row.label == label}) for label in manifest.LABELS
    }
    status, sentence = conclude_audit(as_collected, [*as_trained, *placebo], images, groups)
    return Audit(
        status=status,
        sentence=sentence,
        as_collected=as_collected,
        as_trained=as_trained,
        placebo=placebo,
        file_differences=find_file_differences(
            [values["container"] for values in original_features], rows
        ),
        images=images,
        groups=groups,
        fingerprint=manifest.compute_fingerprint(records),
    )


def conclude_audit(
    as_collected: Sequence[ProbeResult],
    gate_probes: Sequence[ProbeResult],
    images: dict[str, int],
    groups: dict[str, int],
) -> tuple[AuditStatus, str]:
    """Return the status of what training sees, and the sentence that explains it."""
    tier_1 = [probe for probe in gate_probes if probe.tier == 1]
    statuses = {probe.status for probe in tier_1}
    status: AuditStatus = next(
        (status for status in get_args(AuditStatus) if status in statuses), "too few"
    )
    sentence = STATUS_SENTENCES[status].format(
        probes=format_probes([probe for probe in tier_1 if probe.status == status]),
        images=min(images.values()),
        groups=min(groups.values()),
    )
    red_files = [probe for probe in as_collected if probe.status == "RED"]
    if red_files and status != "RED":
        sentence += REMOVED_SHORTCUT_SENTENCE.format(probes=format_probes(red_files))
    warnings = [probe for probe in gate_probes if probe.status == "WARN"]
    if warnings:
        sentence += CONTENT_DIFFERENCE_SENTENCE.format(probes=format_probes(warnings))
    return status, sentence


def _map_in_batches(
    rows: Sequence[FaceRecord], function: Callable[[FaceRecord], object], description: str
) -> Iterator:
    """Apply `function` on all cores, one batch at a time, so that memory holds numbers but not all
    pixels."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = (
            rows[start : start + AUDIT_BATCH_IMAGES]
            for start in range(0, len(rows), AUDIT_BATCH_IMAGES)
        )
        results = (result for batch in batches for result in pool.map(function, batch))
        yield from console.track_progress(results, description, len(rows))


def measure_image(
    folder: Path, row: FaceRecord, image_size: int
) -> tuple[dict[str, FeatureValues], dict[str, FeatureValues]]:
    """Return the features of one image as collected and as trained, by probe."""
    data = stored_images.read_original(folder, row)
    face = decode.decode_face(data, row.crop)
    original = features.measure_original(data, face, row)
    return original, features.measure_canonical(face, row, image_size)


def evaluate_probes(
    image_features: Sequence[dict[str, FeatureValues]], rows: Sequence[FaceRecord], seed: int
) -> list[ProbeResult]:
    """Evaluate each probe by how well its features predict the labels of the rows."""
    generated = np.array([row.label == "generated" for row in rows])
    groups = np.array([row.group for row in rows])
    names = (
        sorted(image_features[0], key=lambda name: PROBE_TIERS.get(name, 3))
        if image_features
        else ()
    )
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


def run_placebo_test(
    folder: Path, rows: Sequence[FaceRecord], label: ImageClass, image_size: int, seed: int
) -> ProbeResult:
    """Give images of one class the processing histories of both classes, and separate the copies.

    Whatever separates them is not content.
    """
    own = [row for row in rows if row.label == label]
    others = [row for row in rows if row.label != label] or own
    random = np.random.default_rng(seed)
    chosen = [own[i] for i in random.permutation(len(own))[:MAX_PLACEBO_IMAGES_PER_CLASS]]
    # Both copies get a random history. If only one did, the extra encoding would separate them in
    # any data set.
    histories = {
        row.id: (own[random.integers(len(own))], others[random.integers(len(others))])
        for row in chosen
    }

    def measure_both_copies(row: FaceRecord) -> list[FeatureValues]:
        face = decode.decode_face(stored_images.read_original(folder, row), row.crop)
        return [
            features.measure_with_history(face, row, history, image_size)
            for history in histories[row.id]
        ]

    description = f"placebo test, {CLASS_PLURALS[label]}"
    copies = [
        values
        for pair in _map_in_batches(chosen, measure_both_copies, description)
        for values in pair
    ]
    has_other_history = np.tile([False, True], len(chosen))
    groups = np.repeat([row.group for row in chosen], 2)
    name = f"{CLASS_PLURALS[label]}, one history or the other"
    return evaluate_probe(
        name, copies, has_other_history, groups, "copies with the other history", seed
    )
