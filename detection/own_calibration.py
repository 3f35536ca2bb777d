"""Own calibrations: false-alarm cuts that photographs of one's own set, saved beside a detector."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from data_collection.images import canonical
from runtime import atomic_files, checked_json, console
from runtime.commands.suggestions import find_close_names
from training.cuts.cut import Cut, OwnCut
from training.detectors import ready_detectors, saved_models
from training.detectors.card import Card

CALIBRATIONS_FOLDER = "calibrations"


@dataclass(frozen=True, kw_only=True)
class OwnCalibration:
    """False-alarm cuts of a detector for photographs like those of one folder.

    Attributes:
        created: UTC, ISO 8601.
        folder: name of the folder of the photographs, without its path.
        detector_sha256: hash of the detector.onnx that judged them.
        canonicaliser: version of the canonicaliser that prepared them.
        qualities: JPEG qualities at which they were judged.
        any_picture: whether images without a face, or with several, were used.
        photographs: number of photographs that set the cuts.
        unused: number of files that did not, by reason.
        cuts: one for each target, the largest target first.
    """

    name: str
    created: str
    folder: str
    detector_sha256: str
    canonicaliser: int
    qualities: tuple[int, ...]
    any_picture: bool
    photographs: int
    unused: dict[str, int]
    cuts: tuple[Cut, ...]

    def make_cuts(self) -> tuple[OwnCut, ...]:
        """Return the cuts with the name of the calibration, for an operating point."""
        return tuple(
            OwnCut(**asdict(cut), calibration=self.name, photographs=self.photographs)
            for cut in self.cuts
        )


def choose_free_path(detector_folder: Path, name: str) -> Path:
    """Return the path of a new calibration of a detector.

    Raises:
        PlainError: the name is taken.
    """
    path = locate_calibration(detector_folder, name)
    if path.exists():
        raise console.PlainError(f"{path} exists. Choose another --name, or delete it first.")
    return path


def locate_calibration(detector_folder: Path, name: str) -> Path:
    """Return where the calibration of a name lies, or would lie."""
    return _find_calibrations(detector_folder) / f"{name}.json"


def _find_calibrations(detector_folder: Path) -> Path:
    return ready_detectors.find_writable_folder(detector_folder) / CALIBRATIONS_FOLDER


def write_own_calibration(path: Path, calibration: OwnCalibration) -> None:
    atomic_files.write_atomically(path, (json.dumps(asdict(calibration), indent=1) + "\n").encode())


def read_own_calibration(detector_folder: Path, card: Card, name: str) -> OwnCalibration:
    """Read a calibration of a detector.

    Raises:
        PlainError: there is none of that name, it is damaged, or it was made with another model
            file or another preparation of images.
    """
    paths = {path.stem: path for path in _find_calibrations(detector_folder).glob("*.json")}
    if name not in paths:
        raise _make_missing_error(card.name, name, sorted(paths))
    try:
        calibration = checked_json.parse_json_as(paths[name].read_bytes(), OwnCalibration)
        if calibration.name != name or not _are_cuts_valid(calibration):
            raise ValueError
    except (OSError, ValueError):
        raise console.PlainError(
            f"{paths[name]} is damaged. Delete it and run python -m detection calibrate again.",
            console.EXIT_DISK,
        ) from None
    made_with = calibration.detector_sha256, calibration.canonicaliser, calibration.qualities
    sha256 = card.sha256[saved_models.ONNX_FILE]
    if made_with != (sha256, canonical.CANONICALISER_VERSION, card.qualities):
        raise console.PlainError(
            f"{paths[name]} was made for another detector than this {card.name}. Run "
            "python -m detection calibrate again under another --name.",
            console.EXIT_BAD_MODEL,
        )
    return calibration


def _are_cuts_valid(calibration: OwnCalibration) -> bool:
    """Return whether every number can be used; a share or limit that is not a number cannot."""
    return calibration.photographs > 0 and all(
        0 < cut.target < 1
        and (cut.limit is None or 0 < cut.limit <= 1)
        and all(0 <= share <= 1 for share in (cut.expected, cut.low, cut.high))
        for cut in calibration.cuts
    )


def _make_missing_error(detector: str, name: str, names: list[str]) -> console.PlainError:
    close = find_close_names(name, names)
    advice = (
        f"Did you mean {close[0]}?"
        if close
        else f"It has {', '.join(names)}."
        if names
        else "Make one of your photographs: python -m detection calibrate --real folder:mine."
    )
    return console.PlainError(f"{detector} has no calibration {name!r}. {advice}")
