"""inspect(): audits a data set and shows what was found: a table, audit.json, the page audit.html, pictures in TensorBoard."""

import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection import audit, checked_json, console, data_pictures, data_report, event_files, manifest
from data_collection.audit import Audit
from data_collection.audit_probes import Probe

TIERS = {1: "must be at chance", 2: "nuisance", 3: "for information"}


def inspect(folder: Path, logs: Path, seed: int = 0, again: bool = True) -> Audit:
    """Audits the data set in `folder` and shows the result.

    Args:
        again: also where an audit of exactly these images is there.

    Raises:
        PlainError: there is no data set, or a file of it is missing or altered.
    """
    records = manifest.read(folder)
    console.heading("Audit")
    kept = audit.read(folder)
    if kept and not again and kept.fingerprint == manifest.fingerprint(records) and (folder / "audit.html").exists():
        show(kept)
        return kept
    found = audit.audit(folder, records, _image_size(folder), seed)
    with manifest.locked(folder):
        audit.write(folder, found)
        page = data_report.write(folder, records, found)
    _log(folder, records, logs)
    show(found)
    console.say(f"The whole report: {page}")
    return found


def _image_size(folder: Path) -> int:
    try:
        return int(checked_json.parsed((folder / "settings.json").read_bytes())["frozen"]["image_size"])
    except (OSError, ValueError, KeyError, TypeError):
        raise console.PlainError(f"{folder / 'settings.json'} is damaged; restore it from a copy.", console.DISK) from None


def show(found: Audit) -> None:
    """Prints the probes, as collected beside as trained, then the placebo and the verdict."""
    rows = [
        [TIERS[(one or other).tier], (one or other).name, _interval(one), _interval(other), other.verdict if other else ""]
        for one, other in _side_by_side(found.as_collected, found.as_trained)
    ]
    rows += [["must be at chance", f"placebo: {one.name}", "", _interval(one), one.verdict] for one in found.placebo]
    title = "How well the label can be told without looking at the face: AUC, 95% interval"
    console.table(title, ["", "probe", "as collected", "as trained", "verdict"], rows)
    for tell in found.tells:
        console.say(tell)
    console.say(f"{found.verdict}: {found.sentence}")


def _side_by_side(collected: list[Probe], trained: list[Probe]) -> list[tuple[Probe | None, Probe | None]]:
    names = dict.fromkeys(probe.name for probe in itertools.chain(collected, trained))
    pairs = [tuple(next((p for p in probes if p.name == name), None) for probes in (collected, trained)) for name in names]
    return sorted(pairs, key=lambda pair: (pair[0] or pair[1]).tier)


def _interval(probe: Probe | None) -> str:
    return f"{probe.auc:.2f} ({probe.low:.2f} to {probe.high:.2f})" if probe else ""


def _log(folder: Path, records: list[manifest.FaceRecord], logs: Path) -> None:
    with event_files.writer(logs / "data_collection" / folder.name) as writer:
        for picture in data_pictures.pictures(folder, records):
            pixels = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))
            writer.add_image(f"data/{picture.name}", pixels, dataformats="HWC")
