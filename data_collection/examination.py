"""Examine one offered image by itself: decode it, and accept it or reject it with a reason."""

from dataclasses import dataclass, replace

from data_collection.dataset import near_duplicates
from data_collection.dataset.manifest import FaceRecord
from data_collection.facts.facts_csv import FACT_COLUMNS
from data_collection.images import canonical as image_canonical
from data_collection.images import decode, errors, quality
from data_collection.images.decoding_pool import COMMAND_POOL
from data_collection.metadata.named_generator import find_named_generator
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace, UnavailableImage
from runtime import hashing

SINGLE_COLOUR_REASON = "single colour"


@dataclass(frozen=True)
class ExaminedImage:
    """A row with its original bytes and its canonical picture; both are empty if it is rejected.

    Attributes:
        named_generator: generator that the metadata of an accepted photograph names; empty if none.
    """

    record: FaceRecord
    original: bytes = b""
    canonical: bytes = b""
    named_generator: str = ""


def examine_image(
    face: CandidateFace, data: bytes | Exception | None, settings: CollectionSettings
) -> ExaminedImage:
    """Decode one image and accept it, or reject it with a reason.

    Args:
        data: the original bytes, the error that loading them raised, or None to load them here.
    """
    facts = {name: getattr(face, name) for name in FACT_COLUMNS}
    facts |= {"attributes": dict(face.attributes), "drawn_with": dict(face.drawn_with)}
    facts |= {"label": face.label, "source": face.source, "file": face.file, "status": "rejected"}
    try:
        if isinstance(data, Exception):
            raise data
        data = face.load() if data is None else data
    except (UnavailableImage, OSError) as error:
        reason = (
            str(error)
            if isinstance(error, UnavailableImage)
            else f"cannot be read: {error.strerror or error}"
        )
        row_id = hashing.hash_bytes(f"{face.source}/{face.file}".encode(errors="surrogateescape"))
        return ExaminedImage(FaceRecord(id=row_id, reason=reason, **facts))
    record = FaceRecord(id=hashing.hash_bytes(data), bytes=len(data), crop=settings.crop, **facts)
    try:
        decoded = COMMAND_POOL.decode_face(data, settings.crop)
    except errors.NoSingleFace as error:
        blank = quality.is_single_colour(COMMAND_POOL.decode_face(data))
        return ExaminedImage(
            replace(record, reason=SINGLE_COLOUR_REASON if blank else f"not one face: {error}")
        )
    except errors.UnreadableImage as error:
        return ExaminedImage(replace(record, reason=f"unreadable: {error}"))
    record = replace(
        record,
        **{key: getattr(decoded, key) for key in ("format", "mode", "width", "height", "quality")},
    )
    reason = find_rejection_reason(decoded, settings, face.may_be_soft)
    if reason:
        return ExaminedImage(replace(record, reason=reason))
    fingerprints = near_duplicates.compute_fingerprints(decoded.square)
    record = replace(record, status="accepted", **fingerprints)
    canonical = image_canonical.encode_canonical_jpeg(decoded, record.id, settings.image_size)
    generator = find_named_generator(data) if face.label == "real" else ""
    return ExaminedImage(record, data, canonical, generator)


def find_rejection_reason(
    face: decode.DecodedFace, settings: CollectionSettings, may_be_soft: bool = False
) -> str:
    """Return why a decoded face is rejected; an empty string if it is accepted.

    Args:
        may_be_soft: whether a face that looks enlarged is accepted.
    """
    side = face.square.width
    if quality.is_single_colour(face):
        return SINGLE_COLOUR_REASON
    if side < settings.min_side:
        return f"too small: square under {settings.min_side} pixels"
    if face.quality is not None and face.quality < settings.min_quality:
        return f"low JPEG quality: under {settings.min_quality}"
    if not (settings.keep_upscaled or may_be_soft) and quality.is_upscaled(face):
        return "upscaled"
    return ""
