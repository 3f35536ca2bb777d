"""Open the outside detector that --against names, before the hold-out is opened."""

from pathlib import Path

from training.detectors.card import Card
from validation.outside import onnx_file, probabilities_csv, python_function
from validation.outside.outside_detector import OutsideDetector


def open_outside_detector(against: Path | None, folder: Path, card: Card) -> OutsideDetector | None:
    """Return the outside detector; None if --against names a saved one, or nothing.

    Args:
        folder, card: of the validated detector, whose images an ONNX file gets, too.

    Raises:
        PlainError: it is missing, or cannot be used.
    """
    if not is_outside(against):
        return None
    if against.suffix.lower() == ".onnx":
        return onnx_file.open_onnx_detector(against, folder, card)
    if against.suffix.lower() == ".csv":
        return probabilities_csv.open_csv(against)
    return python_function.open_function(against)


def is_outside(against: Path | None) -> bool:
    """Return whether --against names an ONNX file, a CSV file or a function, and no folder."""
    if against is None or against.is_dir():
        return False
    is_file = against.suffix.lower() in (".onnx", ".csv")
    return is_file or bool(python_function.is_function_name(str(against)))
