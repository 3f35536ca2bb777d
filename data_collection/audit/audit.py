"""Does anything but the face give the label away? audit(), its verdict, and what training makes of
it.

The rows of train and validation are looked at, and nothing of the hold-out, not even its file
facts: whole groups were dealt to it by hash inside each source, so what is true of the rest is true
of it, and nobody can have looked.
"""

import concurrent.futures
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
)
from data_collection.dataset import manifest, stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from runtime import atomic_files, checked_json, console

STATUSES_BY_SEVERITY = ("RED", "too few", "AMBER", "GREEN")

MAX_PLACEBO_IMAGES_PER_CLASS = 300
"""Of each class, at most, in the placebo test; each is looked at twice."""

AUDIT_BATCH_IMAGES = 32
GENERATED_IMAGES_PHRASE = "the generated images"

SHORTCUT_REMEDY = (
    "Collect both classes alike (same sizes, same formats, nothing enlarged; originals at least twice as large as the "
    "pictures trained on erase most of it), or train anyway with --accept-shortcuts, which every report will say."
)
STATUS_SENTENCES = {
    "RED": "What training sees still gives the label away without any look at the face: {found}. "
    + SHORTCUT_REMEDY,
    "AMBER": "No shortcut is proven in what training sees, but none is ruled out either: {found}. More images would tell.",
    "GREEN": "Nothing but the picture itself tells the classes apart in what training sees: {found}.",
    "too few": "No shortcut is proven in what training sees, but this is too little to rule one out: a class has {images} "
    f"images in {{groups}} groups, and {MIN_IMAGES_FOR_GREEN} in {MIN_GROUPS_FOR_GREEN} are needed. Collect more.",
}
REMOVED_SHORTCUT_SENTENCE = (
    " As collected, the files do give the label away: {found}. The preparation that both classes share takes that out of "
    "what training sees, as far as these probes can tell."
)
CONTENT_DIFFERENCE_SENTENCE = (
    " The pictures differ in plain things too, which a detector has to beat to have learnt "
    "anything more: {found}."
)


@dataclass(frozen=True)
class Audit:
    """Content of audit.json.

    Attributes:
        verdict: the worst of Tier 1 "as trained" and of the placebo: "RED", "too few", "AMBER" or
            "GREEN".
        sentence: the verdict in words, with what to do.
        as_collected: probes of the original files.
        as_trained: probes of view 0, the pixels that training sees; files have no say in them.
        placebo: one probe per class: its images with a history of their own class against the same
            images with a history of the other. The content is the same, so whatever is found is
            history that the canonicaliser has left.
        tells: single facts of the files that differ between the classes, as sentences.
        images, groups: how many were looked at, by label.
        fingerprint: of the data set, see `manifest.fingerprint`.
    """

    verdict: str
    sentence: str
    as_collected: list[ProbeResult]
    as_trained: list[ProbeResult]
    placebo: list[ProbeResult]
    tells: list[str]
    images: dict[str, int]
    groups: dict[str, int]
    fingerprint: str


def run_audit(folder: Path, records: Sequence[FaceRecord], image_size: int, seed: int = 0) -> Audit:
    """Looks at every accepted image of train and validation, as collected and as training will see
    it.

    Args:
        image_size: side of the pictures that training sees, in pixels.

    Raises:
        PlainError: an original is missing or was altered.
    """
    rows = manifest.select_accepted(records, "train", "validation")
    seen = list(
        _map_in_batches(
            rows, lambda row: measure_image(folder, row, image_size), "looking for shortcuts"
        )
    )
    as_collected = evaluate_probes([one for one, _ in seen], rows, seed)
    as_trained = evaluate_probes([one for _, one in seen], rows, seed)
    placebo = [run_placebo_test(folder, rows, label, image_size, seed) for label in manifest.LABELS]
    images = {label: sum(row.label == label for row in rows) for label in manifest.LABELS}
    groups = {
        label: len({row.group for row in rows if row.label == label}) for label in manifest.LABELS
    }
    verdict, sentence = conclude_audit(as_collected, [*as_trained, *placebo], images, groups)
    tells = find_file_differences([one["container"] for one, _ in seen], rows)
    return Audit(
        verdict,
        sentence,
        as_collected,
        as_trained,
        placebo,
        tells,
        images,
        groups,
        manifest.compute_fingerprint(records),
    )


def conclude_audit(
    as_collected: Sequence[ProbeResult],
    gate: Sequence[ProbeResult],
    images: dict[str, int],
    groups: dict[str, int],
) -> tuple[str, str]:
    """The verdict on what training sees, and its sentence."""
    history = [probe for probe in gate if probe.tier == 1]
    verdict = next(
        (one for one in STATUSES_BY_SEVERITY if any(probe.verdict == one for probe in history)),
        "too few",
    )
    found = _format_probes([probe for probe in history if probe.verdict == verdict])
    sentence = STATUS_SENTENCES[verdict].format(
        found=found, images=min(images.values()), groups=min(groups.values())
    )
    files = [probe for probe in as_collected if probe.verdict == "RED"]
    content = [probe for probe in gate if probe.verdict == "WARN"]
    if files and verdict != "RED":
        sentence += REMOVED_SHORTCUT_SENTENCE.format(found=_format_probes(files))
    return verdict, sentence + (
        CONTENT_DIFFERENCE_SENTENCE.format(found=_format_probes(content)) if content else ""
    )


def _format_probes(probes: Sequence[ProbeResult]) -> str:
    return ", ".join(
        f"{probe.name} (AUC {probe.auc:.2f}, {probe.low:.2f} to {probe.high:.2f})"
        for probe in probes
    )


def _map_in_batches(
    rows: Sequence[FaceRecord], work: Callable[[FaceRecord], object], what: str
) -> Iterator:
    """Works on all cores, a batch at a time: only numbers stay in memory, never pixels."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = (
            rows[start : start + AUDIT_BATCH_IMAGES]
            for start in range(0, len(rows), AUDIT_BATCH_IMAGES)
        )
        done = (result for batch in batches for result in pool.map(work, batch))
        yield from console.track_progress(done, what, len(rows))


def measure_image(
    folder: Path, row: FaceRecord, image_size: int
) -> tuple[dict[str, FeatureValues], dict[str, FeatureValues]]:
    """Numbers of one image as collected and as trained, by probe."""
    data = stored_images.read_original(folder, row)
    face = decode.decode_face(data, row.crop)
    return features.measure_original(data, face, row), features.measure_canonical(
        face, row, image_size
    )


def evaluate_probes(
    numbers: Sequence[dict[str, FeatureValues]], rows: Sequence[FaceRecord], seed: int
) -> list[ProbeResult]:
    """Judges each group of numbers by how well it tells the labels of the rows."""
    generated = np.array([row.label == "generated" for row in rows])
    groups = np.array([row.group for row in rows])
    names = sorted(numbers[0], key=lambda name: PROBE_TIERS.get(name, 3)) if numbers else ()
    return [
        evaluate_probe(
            name, [one[name] for one in numbers], generated, groups, GENERATED_IMAGES_PHRASE, seed
        )
        for name in names
    ]


def run_placebo_test(
    folder: Path, rows: Sequence[FaceRecord], label: str, image_size: int, seed: int
) -> ProbeResult:
    """Gives the images of one class the histories of both; whatever still tells the two apart is
    not content."""
    own = [row for row in rows if row.label == label]
    others = [row for row in rows if row.label != label] or own
    draw = np.random.default_rng(seed)
    chosen = [own[i] for i in draw.permutation(len(own))[:MAX_PLACEBO_IMAGES_PER_CLASS]]
    # Both copies get a drawn history: if only one did, one encoding more would tell them apart in
    # any data set.
    drawn = {
        row.id: (own[draw.integers(len(own))], others[draw.integers(len(others))]) for row in chosen
    }

    def twice(row: FaceRecord) -> list[FeatureValues]:
        face = decode.decode_face(stored_images.read_original(folder, row), row.crop)
        return [
            features.measure_with_history(face, row, history, image_size)
            for history in drawn[row.id]
        ]

    numbers = [
        one
        for pair in _map_in_batches(chosen, twice, f"placebo test, {CLASS_PLURALS[label]}")
        for one in pair
    ]
    given = np.tile([False, True], len(chosen))
    groups = np.repeat([row.group for row in chosen], 2)
    return evaluate_probe(
        f"{CLASS_PLURALS[label]}, one history or the other",
        numbers,
        given,
        groups,
        "copies with the other history",
        seed,
    )


def audit_path(folder: Path) -> Path:
    return folder / "audit.json"


def write_audit(folder: Path, audit: Audit) -> None:
    atomic_files.write_atomically(
        audit_path(folder), (json.dumps(dataclasses.asdict(audit), indent=1) + "\n").encode()
    )


def read_audit(folder: Path) -> Audit | None:
    """The audit of a data set; None if there is none.

    Raises:
        PlainError: the file is damaged. To pass over it would open the gate that it is.
    """
    path = audit_path(folder)
    try:
        row = checked_json.parse_json(path.read_bytes())
        lists = {
            name: [ProbeResult(**probe) for probe in row.pop(name)]
            for name in ("as_collected", "as_trained", "placebo")
        }
        audit = Audit(**row, **lists)
        if audit.verdict not in STATUSES_BY_SEVERITY:
            raise ValueError
        return audit
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise console.PlainError(
            f"{path} is damaged; delete it and run python -m data_collection again, which audits anew.",
            console.EXIT_DISK,
        ) from None


def check_audit_gate(folder: Path, records: Sequence[FaceRecord], accept_shortcuts: bool) -> str:
    """What every report of a training on this data set has to say first; empty if there is nothing
    to say.

    Raises:
        PlainError: with exit code 4, if the audit is RED and shortcuts are not accepted.
    """
    found = read_audit(folder)
    if found is None:
        return f"{folder} has not been audited: nobody knows whether something other than the face gives the label away."
    if found.fingerprint != manifest.compute_fingerprint(records):
        return f"The audit of {folder} is of another state of the data set: images, groups or splits have changed since."
    if found.verdict != "RED":
        return ""
    red = _format_probes(
        [probe for probe in (*found.as_trained, *found.placebo) if probe.verdict == "RED"]
    )
    if not accept_shortcuts:
        raise console.PlainError(
            f"The audit of {folder} is RED: {red}. {SHORTCUT_REMEDY}", console.EXIT_SHORTCUT
        )
    return (
        f"Trained on a data set whose audit is RED, so its figures may measure a shortcut: {red}."
    )
