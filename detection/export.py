"""export(): a saved detector -> files for other runtimes, each of which says what the detector says."""

import contextlib
import io
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import console
from detection import export_folder, export_formats, export_pictures, export_readers
from detection.export_folder import Exported
from detection.export_formats import FORMATS, Format
from detection.export_settings import ExportSettings
from detection.export_source import Source
from training import onnx_files, quiet, saved_models
from training.onnx_files import Runner

FOLDER = "export"

LIMIT = 1e-4
"""Largest difference of a probability that is let pass, to detector.keras and to detector.onnx."""

BATCH = 8

RUNS = 25
"""Runs on one image that a time is the median of."""


def export(settings: ExportSettings) -> None:
    """Writes a saved detector in the wanted formats, one after the other, and prints a table of them.

    Raises:
        PlainError: no detector, or an altered one; a format's package is missing; the folder holds something else under a
            name that would be taken; or a file differs from the detector, in which case it is not written.
    """
    export_formats.check_installed(settings.to)
    folder = saved_models.find(settings.saved_models, settings.model)
    card = saved_models.read_card(folder)
    out = settings.out or folder / FOLDER
    before = export_folder.read_index(out, card)
    for name in settings.to:
        export_folder.check_free(out, FORMATS[name], before)
    quiet.start_keras()
    _calculate_in_full()
    source = Source.open(folder, card)
    expected = Expected.of(source)
    console.say(f"{card.name} goes to {out}, checked on {expected.origin}.")
    done: dict[str, Exported] = {}
    try:
        for name in settings.to:
            with console.err.status(f"exporting {name}"):
                done[name] = _export_one(source, expected, FORMATS[name], out)
            export_folder.write_index(out, card, before | done)
    finally:
        show(out, done)


def _calculate_in_full() -> None:
    """On an Ampere GPU and later, TensorFlow multiplies with 10 bits of mantissa unless it is told not to."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


@dataclass(frozen=True)
class Expected:
    """What an exported file must say: the probabilities, (n, 1), of the detector's two files for pixels, (n, side, side, 3)."""

    pixels: np.ndarray
    origin: str
    by_keras: np.ndarray
    by_onnx: np.ndarray

    @classmethod
    def of(cls, source: Source) -> "Expected":
        found = export_pictures.find(source.card)
        runners = export_readers.of_keras(source.model), onnx_files.runner(source.onnx_file)
        return cls(found.pixels, found.origin, *(judged(run, found.pixels) for run in runners))


def judged(run: Runner, pixels: np.ndarray) -> np.ndarray:
    """Probabilities of *generated*, float32 (n, 1), of pixels (n, side, side, 3) of any kind of number."""
    batches = [pixels[start : start + BATCH].astype(np.float32) for start in range(0, len(pixels), BATCH)]
    return np.concatenate([run(batch) for batch in batches])


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Converters talk on both streams, below Python, too."""
    with quiet.native_code(), contextlib.redirect_stdout(io.StringIO()):
        yield


def _export_one(source: Source, expected: Expected, row: Format, out: Path) -> Exported:
    with export_folder.being_written(out) as temporary:
        with _without_chatter():
            row.write(source, temporary / row.file)
            run = row.read(temporary / row.file)
            difference = compare(row.file, judged(run, expected.pixels), expected)
            speed = milliseconds(run, expected.pixels[:1].astype(np.float32))
        files = export_folder.hashes(temporary, row.names)
        megabytes = sum((temporary / path).stat().st_size for path in files) / 1e6
        export_folder.place(temporary, out, row)
    return Exported(files, megabytes, difference, speed, expected.origin, row.note)


def compare(file: str, found: np.ndarray, expected: Expected) -> float:
    """The largest difference to detector.keras.

    Raises:
        PlainError: it, or that to detector.onnx, is over LIMIT, or there are not as many probabilities as pictures.
    """
    if found.shape != expected.by_keras.shape:
        raise console.PlainError(
            f"{file} answers with {found.shape} in place of {expected.by_keras.shape}; it is not written.", console.BAD_MODEL
        )
    to_keras, to_onnx = (float(np.abs(found - theirs).max()) for theirs in (expected.by_keras, expected.by_onnx))
    if not np.max([to_keras, to_onnx]) <= LIMIT:  # so that nan does not pass
        raise console.PlainError(
            f"{file} differs from detector.keras by {to_keras:.1e} and from detector.onnx by {to_onnx:.1e} on "
            f"{expected.origin}; more than {LIMIT:g} is too much, and it is not written.",
            console.BAD_MODEL,
        )
    return to_keras


def milliseconds(run: Runner, picture: np.ndarray) -> float:
    """For one picture, (1, side, side, 3)."""
    run(picture)  # runtimes plan their memory for each new shape
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run(picture)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def show(out: Path, exported: dict[str, Exported]) -> None:
    columns = ["format", "file", "MB", "largest difference to Keras", "ms an image"]
    rows = [
        [name, str(out / FORMATS[name].file), f"{e.megabytes:.1f}", f"{e.difference:.1e}", f"{e.milliseconds:.1f}"]
        for name, e in exported.items()
    ]
    if rows:
        console.table("", columns, rows)
    for name, each in exported.items():
        if each.note:
            console.say(f"{name}: {each.note}.")
