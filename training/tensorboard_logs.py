"""Write logs/<room>/<run>/ for TensorBoard, with tensorboardX: it needs no TensorFlow and no torch.

A trial is one run, not the three that Keras' own callback makes of it: with over 40 runs
TensorBoard starts with none selected, and its image and curve tabs look empty.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from runtime import tensorboard_files


class RunLog:
    """Write the scalars, images, texts and precision-recall curves of one run."""

    def __init__(self, writer):
        self._writer = writer

    def add_scalars(self, values: dict[str, float], step: int = 0) -> None:
        for name, value in values.items():
            if np.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def add_text(self, name: str, markdown: str) -> None:
        self._writer.add_text(name, markdown)

    def add_image(self, name: str, pixels: np.ndarray) -> None:
        """Add one image, uint8 (height, width, 3)."""
        self._writer.add_image(name, pixels, dataformats="HWC")

    def add_pr_curve(self, name: str, labels: np.ndarray, probabilities: np.ndarray) -> None:
        self._writer.add_pr_curve(name, labels.astype(int), probabilities, num_thresholds=127)

    def add_embedding(
        self, name: str, vectors: np.ndarray, labels: Sequence[str], images: np.ndarray | None
    ) -> None:
        """Add vectors (n, width) to the Projector tab.

        Each gets a label and, unless there are none, an image; images are uint8 (n, side, side, 3).
        """
        sprites = None if images is None else images.transpose(0, 3, 1, 2) / 255
        self._writer.add_embedding(vectors, list(labels), sprites, tag=name)

    def add_hyperparameters(self, values: dict[str, str | float], metrics: Sequence[str]) -> None:
        """Add the run to the HParams tab; all runs of a search need the same names."""
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
    """Return a Keras callback that logs the metrics of every epoch to one run.

    Args:
        values: hyperparameters of the run, or None.
        metrics: columns beside the hyperparameters.
    """
    import keras

    class EpochLog(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.writer = tensorboard_files.open_summary_writer(folder)
            if values is not None:
                RunLog(self.writer).add_hyperparameters(values, metrics)

        def on_epoch_end(self, epoch, logs=None):
            RunLog(self.writer).add_scalars(logs or {}, epoch)

        def on_train_end(self, logs=None):
            self.writer.close()

    return EpochLog()


def decode_image(data: bytes) -> np.ndarray:
    """Decode an image that Telltale wrote, to uint8 (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def make_image_grid(images: Sequence[np.ndarray], columns: int, side: int = 112) -> np.ndarray:
    """Paste square images into rows; return uint8 (rows * side, columns * side, 3)."""
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for index, pixels in enumerate(images):
        tile = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(tile, (index % columns * side, index // columns * side))
    return np.asarray(sheet)
