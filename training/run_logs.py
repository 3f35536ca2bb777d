"""logs/<room>/<run>/: what TensorBoard shows. Written with tensorboardX, which needs neither TensorFlow nor torch."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


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


@contextlib.contextmanager
def opened(logs: Path, room: str, run: str) -> Iterator[RunLog]:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(logs / room / run), flush_secs=10) as writer:
        yield RunLog(writer)


def grid(pictures: Sequence[np.ndarray], columns: int, side: int = 112) -> np.ndarray:
    """Pastes square pictures into rows; uint8, (rows * side, columns * side, 3)."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), "white")
    for place, picture in enumerate(pictures):
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(small, (place % columns * side, place // columns * side))
    return np.asarray(sheet)
