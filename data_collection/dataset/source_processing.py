"""Estimate the usual size and JPEG quality of a source's files, and apply them to other images."""

import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import encode
from data_collection.images.decode import DecodedFace


@dataclass(frozen=True)
class SourceProcessing:
    """The usual size and compression of a source's files.

    Attributes:
        side: length of the shorter edge, in pixels.
        quality: JPEG quality; None if most files have another format.
    """

    side: int
    quality: int | None

    @property
    def name(self) -> str:
        return f"{self.side} px" + (f", JPEG {self.quality}" if self.quality else "")

    def apply(self, face: DecodedFace) -> DecodedFace:
        """Process the face as that source would: shrink, never enlarge, then save as JPEG."""
        square, scale = face.square, self.side / min(face.width, face.height)
        if scale < 1:
            side = max(16, round(square.width * scale))
            square = square.resize((side, side), Image.Resampling.LANCZOS)
        if self.quality:
            square = Image.open(io.BytesIO(encode.encode_jpeg(square, self.quality)))
        return replace(face, square=square)


def estimate_source_processing(records: Sequence[FaceRecord]) -> SourceProcessing:
    """Estimate the processing of a source from the medians of its files."""
    side = round(statistics.median(min(record.width, record.height) for record in records))
    qualities = [record.quality for record in records if record.quality]
    are_jpegs = 2 * len(qualities) > len(records)
    return SourceProcessing(side, round(statistics.median(qualities)) if are_jpegs else None)
