"""logs/<room>/<run>/: what TensorBoard shows. Written with tensorboardX, which needs neither
TensorFlow nor torch.

A trial is one run, not the three that Keras' own callback makes of it: over 40 runs TensorBoard
starts with none selected, and its picture and curve tabs look empty.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from runtime import tensorboard_files


class RunLog:
    """Writes one run's scalars, pictures, texts and precision-recall curves."""

    def __init__(self, writer):
        self._writer = writer

    def scalars(self, values: dict[str, float], step: int = 0) -> None:
        for name, value in values.items():
            if np.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def text(self, name: str, markdown: str) -> None:
        self._writer.add_text(name, markdown)

    def picture(self, name: str, pixels: np.ndarray) -> None:
        """Shows one picture, uint8 (height, width, 3)."""
        self._writer.add_image(name, pixels, dataformats="HWC")

    def pr_curve(self, name: str, labels: np.ndarray, probabilities: np.ndarray) -> None:
        self._writer.add_pr_curve(name, labels.astype(int), probabilities, num_thresholds=127)

    def embedding(
        self, name: str, vectors: np.ndarray, names: Sequence[str], pictures: np.ndarray
    ) -> None:
        """Shows vectors (n, width) in the Projector tab, each with its name and its picture, uint8
        (n, side, side, 3)."""
        self._writer.add_embedding(
            vectors, list(names), pictures.transpose(0, 3, 1, 2) / 255, tag=name
        )

    def hyperparameters(self, values: dict[str, str | float], metrics: Sequence[str]) -> None:
        """Shows the run as a row of the HParams tab; every run of a search must have the same
        names."""
        from tensorboardX.summary import hparams

        for summary in hparams(values, dict.fromkeys(metrics, 0.0)):
            self._writer.file_writer.add_summary(summary)


@contextlib.contextmanager
def open_run_log(folder: Path) -> Iterator[RunLog]:
    with tensorboard_files.open_summary_writer(folder) as writer:
        yield RunLog(writer)


def make_epoch_callback(
    folder: Path,
    values: dict[str, str | float] | None = None,
    metrics: Sequence[str] = ("val_loss", "val_auc"),
):
    """A Keras callback that logs every epoch's metrics to one run, and `values` as its
    hyperparameters beside `metrics`."""
    import keras

    class EpochLog(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.writer = tensorboard_files.open_summary_writer(folder)
            if values is not None:
                RunLog(self.writer).hyperparameters(values, metrics)

        def on_epoch_end(self, epoch, logs=None):
            RunLog(self.writer).scalars(logs or {}, epoch)

        def on_train_end(self, logs=None):
            self.writer.close()

    return EpochLog()


def decode_image(picture: bytes) -> np.ndarray:
    """An encoded picture of our own as uint8 (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def make_image_grid(pictures: Sequence[np.ndarray], columns: int, side: int = 112) -> np.ndarray:
    """Pastes square pictures into rows; uint8, (rows * side, columns * side, 3)."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for place, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (place % columns * side, place // columns * side))
    return np.asarray(sheet)
