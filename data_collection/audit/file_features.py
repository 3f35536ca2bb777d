"""Measure the file around the pixels, from its header: format, metadata, compression, size."""

import hashlib

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import opening
from data_collection.images.containers import png

FeatureValues = dict[str, float | str]
"""Features of one image for one probe, by name; a string is a category."""


def measure_container(data: bytes, record: FaceRecord) -> FeatureValues:
    """Return facts of an image file, from its header."""
    with opening.open_image(data) as image:
        info, chunks = image.info, _list_png_chunk_types(data)
        tables = getattr(image, "quantization", None) or {}
        layers = [(layer[1], layer[2]) for layer in getattr(image, "layer", None) or ()]
        return {
            "format": record.format,
            "mode": record.mode,
            "pixels": f"{record.width} x {record.height}",
            "table": hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:8]
            if tables
            else "none",
            "sampling": "x".join(map(str, layers[0])) if layers else "none",
            "progressive": _format_yes_no(
                "progressive" in info or "interlace" in info and bool(info["interlace"])
            ),
            "exif": _format_yes_no(bool(info.get("exif")) or b"eXIf" in chunks),
            "icc": _format_yes_no("icc_profile" in info or b"iCCP" in chunks),
            "xmp": _format_yes_no("xmp" in info or "XML:com.adobe.xmp" in info),
            "c2pa": _format_yes_no(b"c2pa" in data),
            "text": _format_yes_no(bool(chunks & {b"tEXt", b"zTXt", b"iTXt"}) or "comment" in info),
            "frames": _format_yes_no(getattr(image, "n_frames", 1) > 1),
            "width": float(record.width),
            "height": float(record.height),
            "width over height": record.width / record.height,
            "JPEG quality": float(record.quality or 0),
            "bytes": float(len(data)),
            "bits per pixel": 8 * len(data) / (record.width * record.height),
        }


def _list_png_chunk_types(data: bytes) -> set[bytes]:
    """Return the types of a PNG's chunks, including those after the pixels, for which Pillow
    would have to decode it."""
    if not data.startswith(png.SIGNATURE):
        return set()
    return {kind for _, _, kind in png.iterate_chunks(data)}


def _format_yes_no(fact: bool) -> str:
    return "yes" if fact else "no"
