"""Does anything but the face give the label away? audit(), its verdict, and what training makes of it.

The rows of train and validation are looked at, and nothing of the hold-out, not even its file facts: whole groups were
dealt to it by hash inside each source, so what is true of the rest is true of it, and nobody can have looked.
"""

import concurrent.futures
import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import audit_features, checked_json, console, face_images, manifest
from data_collection.audit_features import Numbers
from data_collection.audit_probes import FEWEST_GROUPS, FEWEST_IMAGES, TIERS, Probe, judge
from data_collection.audit_tells import PLURAL, find_tells
from data_collection.manifest import FaceRecord

SEVERITY = ("RED", "too few", "AMBER", "GREEN")

PLACEBO_IMAGES = 300
"""Of each class, at most, in the placebo test; each is looked at twice."""

BATCH = 32
WHOSE = "the generated images"

REMEDY = (
    "Collect both classes alike (same sizes, same formats, nothing enlarged; originals at least twice as large as the "
    "pictures trained on erase most of it), or train anyway with --accept-shortcuts, which every report will say."
)
SENTENCES = {
    "RED": "What training sees still gives the label away without any look at the face: {found}. " + REMEDY,
    "AMBER": "No shortcut is proven in what training sees, but none is ruled out either: {found}. More images would tell.",
    "GREEN": "Nothing but the picture itself tells the classes apart in what training sees: {found}.",
    "too few": "No shortcut is proven in what training sees, but this is too little to rule one out: a class has {images} "
    f"images in {{groups}} groups, and {FEWEST_IMAGES} in {FEWEST_GROUPS} are needed. Collect more.",
}
REMOVED = (
    " As collected, the files do give the label away: {found}. The preparation that both classes share takes that out of "
    "what training sees, as far as these probes can tell."
)
CONTENT = " The pictures differ in plain things too, which a detector has to beat to have learnt anything more: {found}."


@dataclass(frozen=True)
class Audit:
    """Content of audit.json.

    Attributes:
        verdict: the worst of Tier 1 "as trained" and of the placebo: "RED", "too few", "AMBER" or "GREEN".
        sentence: the verdict in words, with what to do.
        as_collected: probes of the original files.
        as_trained: probes of view 0, the pixels that training sees; files have no say in them.
        placebo: one probe per class: its images with a history of their own class against the same images with a
            history of the other. The content is the same, so whatever is found is history that the canonicaliser has left.
        tells: single facts of the files that differ between the classes, as sentences.
        images, groups: how many were looked at, by label.
        fingerprint: of the data set, see `manifest.fingerprint`.
    """

    verdict: str
    sentence: str
    as_collected: list[Probe]
    as_trained: list[Probe]
    placebo: list[Probe]
    tells: list[str]
    images: dict[str, int]
    groups: dict[str, int]
    fingerprint: str


def audit(folder: Path, records: Sequence[FaceRecord], image_size: int, seed: int = 0) -> Audit:
    """Looks at every accepted image of train and validation, as collected and as training will see it.

    Args:
        image_size: side of the pictures that training sees, in pixels.

    Raises:
        PlainError: an original is missing or was altered.
    """
    rows = manifest.accepted(records, "train", "validation")
    seen = list(_each(rows, lambda row: measure(folder, row, image_size), "looking for shortcuts"))
    as_collected = judge_all([one for one, _ in seen], rows, seed)
    as_trained = judge_all([one for _, one in seen], rows, seed)
    placebo = [placebo_test(folder, rows, label, image_size, seed) for label in manifest.LABELS]
    images = {label: sum(row.label == label for row in rows) for label in manifest.LABELS}
    groups = {label: len({row.group for row in rows if row.label == label}) for label in manifest.LABELS}
    verdict, sentence = conclude(as_collected, [*as_trained, *placebo], images, groups)
    tells = find_tells([one["container"] for one, _ in seen], rows)
    return Audit(verdict, sentence, as_collected, as_trained, placebo, tells, images, groups, manifest.fingerprint(records))


def conclude(
    as_collected: Sequence[Probe], gate: Sequence[Probe], images: dict[str, int], groups: dict[str, int]
) -> tuple[str, str]:
    """The verdict on what training sees, and its sentence."""
    history = [probe for probe in gate if probe.tier == 1]
    verdict = next((one for one in SEVERITY if any(probe.verdict == one for probe in history)), "too few")
    found = _named([probe for probe in history if probe.verdict == verdict])
    sentence = SENTENCES[verdict].format(found=found, images=min(images.values()), groups=min(groups.values()))
    files = [probe for probe in as_collected if probe.verdict == "RED"]
    content = [probe for probe in gate if probe.verdict == "WARN"]
    if files and verdict != "RED":
        sentence += REMOVED.format(found=_named(files))
    return verdict, sentence + (CONTENT.format(found=_named(content)) if content else "")


def _named(probes: Sequence[Probe]) -> str:
    return ", ".join(f"{probe.name} (AUC {probe.auc:.2f}, {probe.low:.2f} to {probe.high:.2f})" for probe in probes)


def _each(rows: Sequence[FaceRecord], work: Callable[[FaceRecord], object], what: str) -> Iterator:
    """Works on all cores, a batch at a time: only numbers stay in memory, never pixels."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
        done = (result for batch in batches for result in pool.map(work, batch))
        yield from console.progress(done, what, len(rows))


def measure(folder: Path, row: FaceRecord, image_size: int) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """Numbers of one image as collected and as trained, by probe."""
    data = manifest.read_original(folder, row)
    face = face_images.decode(data, row.crop)
    return audit_features.of_original(data, face, row), audit_features.of_canonical(face, row, image_size)


def judge_all(numbers: Sequence[dict[str, Numbers]], rows: Sequence[FaceRecord], seed: int) -> list[Probe]:
    """Judges each group of numbers by how well it tells the labels of the rows."""
    generated = np.array([row.label == "generated" for row in rows])
    groups = np.array([row.group for row in rows])
    names = sorted(numbers[0], key=lambda name: TIERS.get(name, 3)) if numbers else ()
    return [judge(name, [one[name] for one in numbers], generated, groups, WHOSE, seed) for name in names]


def placebo_test(folder: Path, rows: Sequence[FaceRecord], label: str, image_size: int, seed: int) -> Probe:
    """Gives the images of one class the histories of both; whatever still tells the two apart is not content."""
    own = [row for row in rows if row.label == label]
    others = [row for row in rows if row.label != label] or own
    draw = np.random.default_rng(seed)
    chosen = [own[i] for i in draw.permutation(len(own))[:PLACEBO_IMAGES]]
    # Both copies get a drawn history: if only one did, one encoding more would tell them apart in any data set.
    drawn = {row.id: (own[draw.integers(len(own))], others[draw.integers(len(others))]) for row in chosen}

    def twice(row: FaceRecord) -> list[Numbers]:
        face = face_images.decode(manifest.read_original(folder, row), row.crop)
        return [audit_features.of_history(face, row, history, image_size) for history in drawn[row.id]]

    numbers = [one for pair in _each(chosen, twice, f"placebo test, {PLURAL[label]}") for one in pair]
    given = np.tile([False, True], len(chosen))
    groups = np.repeat([row.group for row in chosen], 2)
    return judge(f"{PLURAL[label]}, one history or the other", numbers, given, groups, "copies with the other history", seed)


def audit_path(folder: Path) -> Path:
    return folder / "audit.json"


def write(folder: Path, audit: Audit) -> None:
    manifest.write_whole(audit_path(folder), (json.dumps(dataclasses.asdict(audit), indent=1) + "\n").encode())


def read(folder: Path) -> Audit | None:
    """The audit of a data set; None if there is none.

    Raises:
        PlainError: the file is damaged. To pass over it would open the gate that it is.
    """
    path = audit_path(folder)
    try:
        row = checked_json.parsed(path.read_bytes())
        lists = {name: [Probe(**probe) for probe in row.pop(name)] for name in ("as_collected", "as_trained", "placebo")}
        audit = Audit(**row, **lists)
        if audit.verdict not in SEVERITY:
            raise ValueError
        return audit
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise console.PlainError(
            f"{path} is damaged; delete it and run python -m data_collection again, which audits anew.", console.DISK
        ) from None


def refuse(folder: Path, records: Sequence[FaceRecord], accept_shortcuts: bool) -> str:
    """What every report of a training on this data set has to say first; empty if there is nothing to say.

    Raises:
        PlainError: with exit code 4, if the audit is RED and shortcuts are not accepted.
    """
    found = read(folder)
    if found is None:
        return f"{folder} has not been audited: nobody knows whether something other than the face gives the label away."
    if found.fingerprint != manifest.fingerprint(records):
        return f"The audit of {folder} is of another state of the data set: images, groups or splits have changed since."
    if found.verdict != "RED":
        return ""
    red = _named([probe for probe in (*found.as_trained, *found.placebo) if probe.verdict == "RED"])
    if not accept_shortcuts:
        raise console.PlainError(f"The audit of {folder} is RED: {red}. {REMEDY}", console.SHORTCUT)
    return f"Trained on a data set whose audit is RED, so its figures may measure a shortcut: {red}."
