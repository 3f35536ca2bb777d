"""Export a saved detector to other runtimes, and check that every file gives its probabilities."""

import contextlib
import io
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detection.export import formats, output_folder, readers, reference_images
from detection.export.exported_detector import ExportSource
from detection.export.formats import EXPORT_FORMATS, ExportFormat
from detection.export.output_folder import ExportedModel
from detection.export.settings import ExportSettings
from detection.models.answering import choose_detector
from runtime import console
from training import keras_startup
from training.detectors import card as detector_card
from training.onnx_files import onnx_models
from training.onnx_files.onnx_models import OnnxRunner

DEFAULT_FOLDER_NAME = "export"

MAX_PROBABILITY_DIFFERENCE = 1e-4
"""Largest allowed difference of a probability to detector.keras and to detector.onnx."""

CHECK_BATCH_SIZE = 8

TIMED_RUNS = 25
"""Number of runs on one image; the latency is their median."""


def export_detector(settings: ExportSettings) -> None:
    """Write a saved detector in the chosen formats, one after the other, and print a table of them.

    Raises:
        PlainError: the detector is missing or was altered, a format needs a package that is not
            installed, a file of the folder would be overwritten that no export wrote, or an
            exported file differs from the detector; it is then not written.
    """
    formats.check_formats_installed(settings.to)
    answering = choose_detector(settings.saved_models, settings.model)
    answering.announce()
    folder = answering.folder
    card = detector_card.read_card(folder)
    out = settings.out or folder / DEFAULT_FOLDER_NAME
    earlier_exports = output_folder.read_export_index(out, card)
    for name in settings.to:
        output_folder.check_no_foreign_files(out, EXPORT_FORMATS[name], earlier_exports)
    keras_startup.start_keras()
    _disable_tensor_float_32()
    source = ExportSource.open(folder, card)
    expected = ReferenceOutputs.compute(source)
    console.print_message(f"Exporting {card.name} to {out}, checked on {expected.origin}.")
    exported: dict[str, ExportedModel] = {}
    try:
        for name in settings.to:
            with console.err.status(f"exporting {name}"):
                exported[name] = _export_format(source, expected, EXPORT_FORMATS[name], out)
            output_folder.write_export_index(out, card, earlier_exports | exported)
    finally:
        print_export_table(out, exported)


def _disable_tensor_float_32() -> None:
    """Turn off TensorFloat-32: on Ampere GPUs and later it multiplies with 10 bits of mantissa."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


@dataclass(frozen=True)
class ReferenceOutputs:
    """Expected outputs: the probabilities (n, 1) of the detector's two files for pixels (n, side,
    side, 3)."""

    pixels: np.ndarray
    origin: str
    by_keras: np.ndarray
    by_onnx: np.ndarray

    @classmethod
    def compute(cls, source: ExportSource) -> "ReferenceOutputs":
        images = reference_images.load_reference_images(source.card)
        runners = readers.make_keras_runner(source.model), onnx_models.open_onnx(source.onnx_data)
        return cls(
            images.pixels,
            images.origin,
            *(predict_in_batches(run, images.pixels) for run in runners),
        )


def predict_in_batches(run: OnnxRunner, pixels: np.ndarray) -> np.ndarray:
    """Return the probabilities of *generated*, float32 (n, 1), of pixels (n, side, side, 3), any
    dtype."""
    batches = [
        pixels[start : start + CHECK_BATCH_SIZE].astype(np.float32)
        for start in range(0, len(pixels), CHECK_BATCH_SIZE)
    ]
    return np.concatenate([run(batch) for batch in batches])


@contextlib.contextmanager
def _silence_converters() -> Iterator[None]:
    """Silence converters, which print on both streams, also from native code."""
    with keras_startup.silence_native_stderr(), contextlib.redirect_stdout(io.StringIO()):
        yield


def _export_format(
    source: ExportSource, expected: ReferenceOutputs, export_format: ExportFormat, out: Path
) -> ExportedModel:
    with output_folder.open_staging_folder(out) as temporary:
        path = temporary / export_format.file
        with _silence_converters():
            export_format.write(source, path)
            run = export_format.read(path)
            probabilities = predict_in_batches(run, expected.pixels)
            difference = check_difference(export_format.file, probabilities, expected)
            latency_ms = measure_latency_ms(run, expected.pixels[:1].astype(np.float32))
        files = output_folder.hash_files(temporary, export_format.written_names)
        megabytes = sum((temporary / name).stat().st_size for name in files) / 1e6
        output_folder.replace_exported_files(temporary, out, export_format)
    return ExportedModel(
        files=files,
        megabytes=megabytes,
        difference=difference,
        milliseconds=latency_ms,
        checked_on=expected.origin,
        note=export_format.note,
    )


def check_difference(file: str, probabilities: np.ndarray, expected: ReferenceOutputs) -> float:
    """Return the largest difference of the probabilities, (n, 1), to those of detector.keras.

    Raises:
        PlainError: this difference, or that to detector.onnx, is over MAX_PROBABILITY_DIFFERENCE,
            or the shape differs.
    """
    if probabilities.shape != expected.by_keras.shape:
        raise console.PlainError(
            f"{file} answers with {probabilities.shape} instead of {expected.by_keras.shape}. It "
            "is not written.",
            console.EXIT_BAD_MODEL,
        )
    to_keras, to_onnx = (
        float(np.abs(probabilities - reference).max())
        for reference in (expected.by_keras, expected.by_onnx)
    )
    if not np.max([to_keras, to_onnx]) <= MAX_PROBABILITY_DIFFERENCE:  # NaN must not pass
        raise console.PlainError(
            f"{file} differs from detector.keras by {to_keras:.1e} and from detector.onnx by "
            f"{to_onnx:.1e} on {expected.origin}; the limit is {MAX_PROBABILITY_DIFFERENCE:g}. It "
            "is not written.",
            console.EXIT_BAD_MODEL,
        )
    return to_keras


def measure_latency_ms(run: OnnxRunner, image: np.ndarray) -> float:
    """Return the median latency for one image, (1, side, side, 3)."""
    run(image)  # runtimes plan their memory for each new shape
    times = []
    for _ in range(TIMED_RUNS):
        start = time.perf_counter()
        run(image)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def print_export_table(out: Path, exported: dict[str, ExportedModel]) -> None:
    columns = ["format", "file", "MB", "largest difference to Keras", "ms an image"]
    rows = [
        [
            name,
            str(out / EXPORT_FORMATS[name].file),
            f"{model.megabytes:.1f}",
            f"{model.difference:.1e}",
            f"{model.milliseconds:.1f}",
        ]
        for name, model in exported.items()
    ]
    if rows:
        console.print_table("", columns, rows)
    for name, model in exported.items():
        if model.note:
            console.print_message(f"{name}: {model.note}.")
