"""What of a saved detector is published, what stays here and why; of texts, copies that name no folder of this machine."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_collection import checked_json, console
from detection import plain_paths
from training import costs, saved_models
from training.saved_models import CARD, KERAS_FILE, ONNX_FILE, Card

README, METRICS, PAGE = "README.md", "report/metrics.json", "report/index.html"

# Lists of what may go, not of what may not: a new key of metrics.json stays here until somebody has thought about it.
FIGURES = (
    *("model", "model_sha256", "banner", "judged_on", "verdict", "calibration", "detectors", "breakdowns", "doubt"),
    *("reliability", "ece_of_a_calibrated_detector", "robustness", "comparison", "explanations", "negative_controls"),
    *("audit", "limits", "data_of_the_training", "base", "canonicaliser", "bootstrap", "versions"),
)
JUDGED_ON = ("name", "images", "groups", "opened", "one_source_each", "hold_out_sha256")

STAYS = {
    PAGE: "shows photographs of people and names their files; --with-report publishes it",
    "baselines": "rivals of the detector; it opens without them",
    "explainer": "names pictures of the training; python -m validation makes it again",
    "kept": "numbers on single pictures, for a second validation here",
}
ELSE = "is not on the list of what is published"


@dataclass(frozen=True)
class Sent:
    """A file that goes.

    Attributes:
        name: in the repository and, from the model's folder on, here.
        content: the file itself, or the bytes of a cleaned copy.
        note: what was done to it, in words.
    """

    name: str
    content: Path | bytes
    note: str

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


@dataclass(frozen=True)
class Kept:
    """A file or folder that stays, its size in bytes, and why."""

    name: str
    size: int
    why: str


@dataclass(frozen=True)
class Source:
    """A saved detector to publish; `paths` are those of its card and report that point out of this folder."""

    folder: Path
    card: Card
    paths: frozenset[str]


def chosen(folder: Path, card: Card, with_report: bool) -> list[Sent]:
    """What goes, after comparing the hashes of both models with the card.

    Raises:
        PlainError: a model file is missing or was altered; there is no model card; or the report is another detector's.
    """
    if not (folder / README).is_file():
        raise console.PlainError(
            f"{folder / README} is missing, and no detector is published without a word on what it can do; run python -m "
            f"validation --model {folder} first."
        )
    outside = [plain_paths.in_json(_json(folder, name)) for name in (CARD, METRICS) if (folder / name).is_file()]
    source = Source(folder, card, frozenset().union(*outside))
    there = [name for name in FILES if name in (KERAS_FILE, ONNX_FILE) or (folder / name).is_file()]
    return [Sent(name, FILES[name][0](source, name), FILES[name][1]) for name in there if with_report or name != PAGE]


def left(folder: Path, sent: list[Sent]) -> list[Kept]:
    """What stays, a row for each file or folder."""
    names = {each.name for each in sent}
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _name(path, folder) not in names]
    sizes: dict[str, int] = {}
    for path in files:
        row = _name(path, folder) if _name(path, folder) in STAYS else path.relative_to(folder).parts[0]
        sizes[row] = sizes.get(row, 0) + path.stat().st_size
    return [Kept(row, size, STAYS.get(row, ELSE)) for row, size in sizes.items()]


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        return dict(checked_json.parsed((folder / name).read_bytes()))
    except (ValueError, TypeError):
        raise console.PlainError(f"{folder / name} is damaged; validate again.", console.BAD_MODEL) from None


def _bytes(content: object, source: Source) -> bytes:
    return (json.dumps(plain_paths.cut(content, source.paths), indent=1) + "\n").encode()


def _model(source: Source, name: str) -> Path:
    return saved_models.intact(source.folder, source.card, name)


def _whole(source: Source, name: str) -> Path:
    return source.folder / name


def _card(source: Source, name: str) -> bytes:
    content = _json(source.folder, name)
    content["sha256"] = {file: content["sha256"][file] for file in (KERAS_FILE, ONNX_FILE)}
    for rival in content["baselines"].values():
        rival.pop("file", None)  # validation opens every rival that names one
    return _bytes(content, source)


def _metrics(source: Source, name: str) -> bytes:
    content = _json(source.folder, name)
    judged, ours = content.get("model_sha256", {}), source.card.sha256
    if any(judged.get(file) != ours[file] for file in (KERAS_FILE, ONNX_FILE)):
        raise console.PlainError(
            f"{source.folder / name} is about another detector than {source.card.name}; run python -m validation --model "
            f"{source.folder} again."
        )
    content = {key: content[key] for key in FIGURES if key in content}
    judged_on = content.get("judged_on", {})
    content["judged_on"] = {key: judged_on[key] for key in JUDGED_ON if key in judged_on}
    return _bytes(content, source)


def _text(source: Source, name: str) -> bytes:
    return plain_paths.cut((source.folder / name).read_text("utf-8"), source.paths).encode()


def _page(source: Source, name: str) -> bytes:
    # Base64 is full of slashes: what a path is there is a piece of a picture.
    parts = re.split(r"(data:[^\"')\s]+)", (source.folder / name).read_text("utf-8"))
    return "".join(part if place % 2 else plain_paths.cut(part, source.paths) for place, part in enumerate(parts)).encode()


FILES: dict[str, tuple[Callable[[Source, str], Path | bytes], str]] = {
    KERAS_FILE: (_model, "as on the card, by its hash"),
    ONNX_FILE: (_model, "as on the card, by its hash"),
    CARD: (_card, "a copy: of folders of this machine the last name, and no baselines"),
    README: (_text, "a copy: of folders of this machine the last name"),
    METRICS: (_metrics, "a copy: the figures, without names of pictures and the command"),
    PAGE: (_page, "a copy, WITH PHOTOGRAPHS OF PEOPLE and the names of their files"),
    costs.PICTURE: (_whole, "as it is"),
    "leaderboard.jsonl": (_text, "a copy: of folders of this machine the last name"),
}
"""What may go: how it is read, and what is said of it. Models and card go always, the page if asked for, the rest if there."""
