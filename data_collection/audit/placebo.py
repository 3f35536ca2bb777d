"""Placebo test: give images of one class the files' histories of both, and separate the copies."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.audit import features, pixel_features
from data_collection.audit.batches import map_in_batches
from data_collection.audit.file_differences import CLASS_PLURALS
from data_collection.audit.file_features import FeatureValues
from data_collection.audit.probes import ProbeResult, evaluate_probe
from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.images import canonical, decode
from data_collection.images.decode import DecodedFace

MAX_PLACEBO_IMAGES_PER_CLASS = 300
"""Limit of the placebo test, which measures each image twice."""

MAX_GREY_CHANNEL_DIFFERENCE = 2
"""A picture is grey if its channels differ by no more, on average over pixels; 0 to 255."""

GREY_CHECK_SIDE_PX = 64


@dataclass(frozen=True, kw_only=True)
class FileHistory:
    """Facts of a file about its own past.

    Attributes:
        side: length of the shorter edge in pixels.
        format: container as Pillow names it.
        quality: of a JPEG, 1 to 100; None for other formats.
        sampling: of a JPEG's chroma as Pillow numbers it: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0; -1
            is unknown.
        is_grey: whether it has no colour, however it is stored.
    """

    side: int
    format: str
    quality: int | None = None
    sampling: int = -1
    is_grey: bool = False


def read_file_history(data: bytes, face: DecodedFace, record: FaceRecord) -> FileHistory:
    from PIL import JpegImagePlugin

    sampling = -1
    if record.format == "JPEG":
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            sampling = JpegImagePlugin.get_sampling(image)
    return FileHistory(
        side=min(record.width, record.height),
        format=record.format,
        quality=record.quality,
        sampling=sampling,
        is_grey=_is_grey(face.square),
    )


def _is_grey(square: Image.Image) -> bool:
    small = square.resize((GREY_CHECK_SIDE_PX, GREY_CHECK_SIDE_PX), Image.Resampling.BOX)
    difference = np.ptp(np.asarray(small, dtype=np.int16), axis=2).mean()
    return bool(difference <= MAX_GREY_CHANNEL_DIFFERENCE)


def apply_history(face: DecodedFace, history: FileHistory) -> DecodedFace:
    """Take the colour away if the file has none, shrink the face to its side (never enlarge), and
    encode it in its format."""
    square = face.square
    if history.is_grey:
        square = square.convert("L").convert("RGB")
    if history.side < square.width:
        square = square.resize((history.side, history.side), Image.Resampling.LANCZOS)
    if history.format in ("JPEG", "WEBP"):
        buffer = io.BytesIO()
        chroma = {"subsampling": history.sampling} if history.format == "JPEG" else {}
        quality = min(max(history.quality or 80, 1), 100)
        square.save(buffer, history.format, quality=quality, **chroma)
        square = Image.open(buffer).convert("RGB")
    return replace(face, square=square)


def measure_with_history(
    face: DecodedFace, record: FaceRecord, history: FileHistory, size: int
) -> FeatureValues:
    """Return features of view 0 of a face that was first saved as the file of `history` was."""
    data = canonical.encode_canonical_jpeg(apply_history(face, history), record.id, size)
    decoded = decode.decode_face(data)
    power = pixel_features.compute_power(pixel_features.crop_grey_centre(decoded.square))
    traces = features.measure_history_traces(data, decoded, power)
    values = {name: value for probe in traces.values() for name, value in probe.items()}
    channels = np.asarray(decoded.square, dtype=np.int16)
    return values | {
        **pixel_features.measure_spectrum(power),
        "difference between channels": float(np.ptp(channels, axis=2).mean()),
    }


def run_placebo_test(
    folder: Path,
    histories: Sequence[tuple[FaceRecord, FileHistory]],
    label: ImageClass,
    size: int,
    seed: int,
) -> ProbeResult:
    """Give images of one class the histories of both classes' files, and separate the copies.

    Whatever separates them is not content.

    Args:
        histories: rows of both classes with the histories of their files.
    """
    own = [pair for pair in histories if pair[0].label == label]
    others = [pair for pair in histories if pair[0].label != label] or own
    random = np.random.default_rng(seed)
    chosen = [own[i][0] for i in random.permutation(len(own))[:MAX_PLACEBO_IMAGES_PER_CLASS]]
    # Both copies get a random history. If only one did, the extra encoding would separate them in
    # any data set.
    drawn = {
        row.id: (own[random.integers(len(own))][1], others[random.integers(len(others))][1])
        for row in chosen
    }

    def measure_both_copies(row: FaceRecord) -> list[FeatureValues]:
        face = decode.decode_face(stored_images.read_original(folder, row), row.crop)
        measured = {
            history: measure_with_history(face, row, history, size)
            for history in set(drawn[row.id])
        }
        return [measured[history] for history in drawn[row.id]]

    description = f"placebo test, {CLASS_PLURALS[label]}, {size} px"
    copies = [
        values
        for pair in map_in_batches(chosen, measure_both_copies, description)
        for values in pair
    ]
    has_other_history = np.tile([False, True], len(chosen))
    groups = np.repeat([row.group for row in chosen], 2)
    name = f"{CLASS_PLURALS[label]}, one history or the other"
    return evaluate_probe(
        name, copies, has_other_history, groups, "copies with the other history", seed
    )
