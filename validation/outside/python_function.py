"""Score images with a Python function of the user: from paths of files to probabilities.

The function gets copies of the originals whose names tell nothing: the path of an original in a
data set holds its class.
"""

import contextlib
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from runtime import console
from validation.data.evaluation_set import EvaluationSet
from validation.outside.outside_detector import OutsideDetector, OutsideScores, format_name

Function = Callable[[list[str]], object]

is_function_name = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*").fullmatch
"""Match `package.module:function`."""

CALL_IMAGES = 64
"""Images of one call."""

INPUT_NOTE = (
    "It gets the original files, under names that tell nothing. Format, size and metadata of a "
    "file may tell the classes apart, which no detector of Telltale sees."
)


@dataclass(frozen=True, kw_only=True)
class FunctionDetector(OutsideDetector):
    """A Python function as an outside detector."""

    function: Function

    def score_images(self, data: EvaluationSet) -> OutsideScores:
        chunks = [
            data.records[start : start + CALL_IMAGES]
            for start in range(0, len(data.records), CALL_IMAGES)
        ]
        progress = console.track_progress(chunks, f"scoring images with {self.name}", len(chunks))
        return OutsideScores(
            np.concatenate([self._score_chunk(data.folder, chunk) for chunk in progress])
        )

    def _score_chunk(self, folder: Path, records: Sequence[FaceRecord]) -> np.ndarray:
        with copy_originals(folder, records) as paths:
            try:
                answers = self.function(paths)
                probabilities = np.asarray(answers, np.float64)
            except (Exception, SystemExit) as error:
                raise self._make_error(f"raised {describe_error(error)}") from None
        return self._check_probabilities(probabilities, len(records))

    def _check_probabilities(self, probabilities: np.ndarray, n_images: int) -> np.ndarray:
        if probabilities.shape == (n_images, 1):
            probabilities = probabilities[:, 0]
        if probabilities.shape != (n_images,):
            raise self._make_error(
                f"returned numbers of the shape {probabilities.shape} for {n_images} paths"
            )
        valid = (probabilities >= 0) & (probabilities <= 1)
        if not valid.all():
            raise self._make_error(
                f"returned numbers that are no probabilities for {int(np.sum(~valid))} of "
                f"{n_images} paths, such as {probabilities[~valid][0]:.3g}"
            )
        return probabilities

    def _make_error(self, fault: str) -> console.PlainError:
        return console.PlainError(
            f"{self.name} {fault}. It must return one probability of generated, 0 to 1, for every "
            "path.",
            console.EXIT_BAD_MODEL,
        )


@contextlib.contextmanager
def copy_originals(folder: Path, records: Sequence[FaceRecord]) -> Iterator[list[str]]:
    """Yield the paths of copies of the originals, which are deleted afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = []
        for record in records:
            path = Path(temporary, f"{record.id}{Path(record.original).suffix.lower()}")
            path.write_bytes(stored_images.read_original(folder, record))
            paths.append(str(path))
        yield paths


def open_function(path: Path) -> FunctionDetector:
    """Import the function that `module:function` names: code that runs because the user named it.

    Raises:
        PlainError: there is no such module or function.
    """
    module_name, _, function_name = str(path).partition(":")
    with contextlib.suppress(FileNotFoundError):  # of a folder that was deleted
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # last, so that nothing there hides a library
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise console.PlainError(
            f"--against {path}: {module_name} cannot be imported ({describe_error(error)}). It "
            "must be installed, or lie in the current folder."
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        fault = "does not exist" if function is None else "is no function"
        raise console.PlainError(
            f"--against {path}: {function_name} of {module_name} {fault}. Name a function that "
            "takes a list of paths and returns their probabilities of generated."
        )
    return FunctionDetector(name=format_name(str(path)), input_note=INPUT_NOTE, function=function)


def describe_error(error: BaseException) -> str:
    """Return the type and the first line of an error."""
    first_line = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
