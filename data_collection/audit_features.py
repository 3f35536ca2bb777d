"""The numbers that the audit looks at: of a file, of its pixels, and of what both become when a file is passed on.

Numbers of canonical pixels are computed from those pixels alone. The side of the original must not enter them, or the
audit would find its own bookkeeping.
"""

import functools
import hashlib
import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from data_collection import face_images
from data_collection.face_images import Face
from data_collection.manifest import FaceRecord

Numbers = dict[str, float | str]
"""What one probe knows of one image, by name; a string is a category."""

LARGEST = 512
"""Side, in pixels, of the centre that is looked at; a trace is everywhere, and large pictures cost time."""

CELLS = 8
LINE_BANDS = 12
SPECTRUM_BANDS = 8


def container(data: bytes, record: FaceRecord) -> Numbers:
    """Facts of the file around the picture, from its header."""
    with Image.open(io.BytesIO(data), formats=face_images.FORMATS) as image:
        info, tables, chunks = image.info, getattr(image, "quantization", None) or {}, _png_chunks(data)
        layers = [(layer[1], layer[2]) for layer in getattr(image, "layer", None) or ()]
        return {
            "format": record.format,
            "mode": record.mode,
            "pixels": f"{record.width} x {record.height}",
            "table": hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:8] if tables else "none",
            "sampling": "x".join(map(str, layers[0])) if layers else "none",
            "progressive": _yes("progressive" in info or "interlace" in info and bool(info["interlace"])),
            "exif": _yes(bool(info.get("exif")) or b"eXIf" in chunks),
            "icc": _yes("icc_profile" in info),
            "xmp": _yes("xmp" in info or "XML:com.adobe.xmp" in info),
            "c2pa": _yes(b"c2pa" in data),
            "text": _yes(bool(chunks & {b"tEXt", b"zTXt", b"iTXt"}) or "comment" in info),
            "frames": _yes(getattr(image, "n_frames", 1) > 1),
            "width": float(record.width),
            "height": float(record.height),
            "width over height": record.width / record.height,
            "JPEG quality": float(record.quality or 0),
            "bytes": float(len(data)),
            "bits per pixel": 8 * len(data) / (record.width * record.height),
        }


def _png_chunks(data: bytes) -> set[bytes]:
    """Types of a PNG's chunks, also of those behind the pixels, for which Pillow would have to decode it."""
    found, place = set(), 8
    while data.startswith(b"\x89PNG") and place + 8 <= len(data):
        found.add(data[place + 4 : place + 8])
        place += 12 + int.from_bytes(data[place : place + 4])
    return found


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def of_original(data: bytes, face: Face, record: FaceRecord) -> dict[str, Numbers]:
    """Numbers of the file and of its pixels as they were collected, by probe."""
    grey = _grey(face.square)
    history = {**block_grid(grey), **quantised(face), **lines(grey)}
    return {"container": container(data, record), "processing history": history, **pixels(face.square)}


def of_canonical(face: Face, record: FaceRecord, size: int) -> dict[str, Numbers]:
    """Numbers of view 0, as training sees it, by probe."""
    data = face_images.canonical_jpeg(face, record.id, size)
    seen = face_images.decode(data)
    weight = {"bytes": float(np.log(len(data))), "its own JPEG quality": float(seen.quality or 0)}
    return {"processing history": lines(_grey(seen.square)), "file size": weight, **pixels(seen.square)}


def of_history(face: Face, record: FaceRecord, history: FaceRecord, size: int) -> Numbers:
    """Numbers of view 0 of a face that was first passed on as the file `history` was: its size, its format."""
    probes = of_canonical(passed_on(face, history), record, size)
    names = ("processing history", "sharpness", "spectrum", "file size")
    return {name: value for probe in names for name, value in probes[probe].items()}


def passed_on(face: Face, history: FaceRecord) -> Face:
    """The face at the other's side if that is smaller (enlarging would be a history that nobody has), then encoded."""
    square, side = face.square, min(history.width, history.height)
    if side < square.width:
        square = square.resize((side, side), Image.Resampling.LANCZOS)
    if history.format in ("JPEG", "WEBP"):
        buffer = io.BytesIO()
        square.save(buffer, history.format, quality=min(max(history.quality or 80, 1), 100))
        square = Image.open(buffer).convert("RGB")
    return replace(face, square=square)


def pixels(square: Image.Image) -> dict[str, Numbers]:
    """Tier 2 and 3 numbers of a square RGB picture, by probe."""
    grey = _grey(square)
    return {
        "colour": colour(square),
        "thumbnail": thumbnail(square),
        "border": border(square),
        "sharpness": sharpness(square),
        "spectrum": spectrum(grey),
    }


def _centre(square: Image.Image) -> Image.Image:
    side = min(square.width, LARGEST)
    corner = (square.width - side) // 2
    return square.crop((corner, corner, corner + side, corner + side))


def _grey(square: Image.Image) -> np.ndarray:
    return np.asarray(_centre(square).convert("L"), dtype=np.float32)


def colour(square: Image.Image) -> Numbers:
    small = square.resize((64, 64), Image.Resampling.BOX)
    rgb, saturation = np.asarray(small, dtype=np.float64), np.asarray(small.convert("HSV"), dtype=np.float64)[..., 1]
    grey = rgb.mean(axis=2)
    levels = np.percentile(grey, (5, 25, 50, 75, 95))
    return {
        **{f"mean of {name}": float(rgb[..., i].mean()) for i, name in enumerate(("red", "green", "blue"))},
        **{f"contrast of {name}": float(rgb[..., i].std()) for i, name in enumerate(("red", "green", "blue"))},
        **{f"brightness at {share}%": float(level) for share, level in zip((5, 25, 50, 75, 95), levels, strict=True)},
        "saturation": float(saturation.mean()),
        "spread of saturation": float(saturation.std()),
        "difference between channels": float(np.ptp(rgb, axis=2).mean()),
        "share of black": float((grey < 4).mean()),
        "share of white": float((grey > 251).mean()),
    }


def thumbnail(square: Image.Image) -> Numbers:
    cells = np.asarray(square.convert("L").resize((CELLS, CELLS), Image.Resampling.BOX), dtype=np.float64)
    return {f"brightness {_place(y, x)}": float(cells[y, x]) for y in range(CELLS) for x in range(CELLS)}


def border(square: Image.Image) -> Numbers:
    """Brightness of a thin frame in 32 pieces, and its fine contrast against what lies just inside: margins, captions."""
    grey = np.asarray(square.convert("L"), dtype=np.float32)
    deep = max(square.width // 32, 3)
    found: Numbers = {}
    edges = (("top", "left"), ("right", "top"), ("bottom", "right"), ("left", "bottom"))  # as turning brings them up
    for turn, (edge, start) in enumerate(edges):
        turned = np.rot90(grey, turn)
        strips = [np.array_split(turned[first : first + deep], CELLS, axis=1) for first in (0, deep)]
        for number, (outer, inner) in enumerate(zip(*strips, strict=True), 1):
            place = f"at the {edge}, piece {number} of {CELLS} from the {start}"
            found[f"brightness {place}"] = float(outer.mean())
            found[f"fine contrast {place}"] = _fine_contrast(outer) - _fine_contrast(inner)
    return found


def _fine_contrast(piece: np.ndarray) -> float:
    return float(np.log1p(np.abs(np.diff(piece, axis=1)).mean()))


def _place(y: int, x: int) -> str:
    return f"in row {y + 1}, column {x + 1} of {CELLS} x {CELLS}"


def sharpness(square: Image.Image) -> Numbers:
    centre = _centre(square).convert("L")
    grey = np.asarray(centre, dtype=np.float32)
    middle = grey[1:-1, 1:-1]
    laplacian = 4 * middle - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    small = centre.crop((0, 0, *np.minimum(centre.size, 128)))  # the median filter takes longer than all the rest
    residual = np.asarray(small, dtype=np.float32) - np.asarray(small.filter(ImageFilter.MedianFilter(3)), dtype=np.float32)
    gradient = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
    return {
        "strength of edges": float(np.log1p(gradient)),
        "fine detail": float(np.log1p(laplacian.std())),
        "peakedness of detail": float(np.log1p(np.square(np.square(laplacian)).mean() / (laplacian.var() ** 2 + 1e-6))),
        "noise": float(np.log1p(residual.std())),
        "share of flat pixels": float((np.abs(laplacian) < 1).mean()),
    }


def spectrum(grey: np.ndarray) -> Numbers:
    """Log power in radial bands, each against the band below it, and on the diagonal against the axes."""
    from scipy import fft

    side = len(grey)
    window = np.hanning(side).astype(np.float32)
    power = np.abs(fft.rfft2((grey - grey.mean()) * window[:, None] * window[None, :])) ** 2
    bands, diagonal, axial = _rings(side)
    count = np.bincount(bands.ravel(), minlength=SPECTRUM_BANDS + 1)
    level = np.log(np.bincount(bands.ravel(), power.ravel(), minlength=SPECTRUM_BANDS + 1) / np.maximum(count, 1) + 1)
    found: Numbers = {f"power in band {band + 1} of {SPECTRUM_BANDS}": float(level[band]) for band in range(SPECTRUM_BANDS)}
    found["power on the diagonals"] = float(np.log(power[diagonal].mean() + 1) - np.log(power[axial].mean() + 1))
    return found


@functools.lru_cache(maxsize=8)
def _rings(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    across = 2 * np.abs(np.fft.fftfreq(side))[:, None]
    along = 2 * np.abs(np.fft.rfftfreq(side))[None, :]
    radius = np.hypot(across, along)
    bands = np.minimum((radius * SPECTRUM_BANDS).astype(np.int64), SPECTRUM_BANDS)
    fine = (radius > 0.5) & (radius < 1)
    slant = np.minimum(across, along) / np.maximum(np.maximum(across, along), 1e-9)
    return bands, fine & (slant > 0.7), fine & (slant < 0.3)


def _periodicity(grey: np.ndarray) -> np.ndarray:
    """How far each frequency of the fine detail along rows and columns stands out from its neighbours; shape (side // 2,).

    An enlarged picture is smoother between its old pixels than on them, and a JPEG has steps between its blocks: both
    are lines in this spectrum (Gallagher 2005; Mahdian and Saic 2008). Content has a spectrum without lines, and is
    divided out by the neighbours' median.
    """
    from scipy import fft, ndimage

    total = 0.0
    for picture in (grey, grey.T):
        bend = np.log1p(np.abs(picture[:, 2:] - 2 * picture[:, 1:-1] + picture[:, :-2])).mean(axis=0)
        bend = bend - ndimage.uniform_filter1d(bend, 9, mode="nearest")
        magnitude = np.abs(fft.rfft(bend * np.hanning(len(bend)), 2 * (len(grey) // 2)))[1:]
        total = total + magnitude / (ndimage.median_filter(magnitude, 31, mode="reflect") + 1e-6)
    return np.log(total / 2 + 0.1)


def block_grid(grey: np.ndarray) -> Numbers:
    """How far the frequencies of 8 x 8 blocks stand out."""
    found = _periodicity(grey)
    places = [round(k * 2 * len(found) / 8) - 1 for k in (1, 2, 3)]
    return {"trace of 8 x 8 blocks": float(np.mean([found[max(p - 1, 0) : p + 2].max() for p in places]))}


def lines(grey: np.ndarray) -> Numbers:
    """The strongest line in each band of frequency, those of this picture's own 8 x 8 blocks left out.

    Those say how coarsely this content was coded just now, which is no history.
    """
    found = _periodicity(grey)
    frequency = np.arange(1, len(found) + 1) / (2 * len(found))
    own = np.abs(frequency * 8 - np.round(frequency * 8)) < 8 * 1.5 / (2 * len(found))
    bands = np.floor(frequency * 2 * LINE_BANDS).astype(int).clip(0, LINE_BANDS - 1)
    return {
        f"periodic detail around {(band + 0.5) / (2 * LINE_BANDS):.2f} cycles per pixel": float(
            found[(bands == band) & ~own].max(initial=np.log(0.1))
        )
        for band in range(1, LINE_BANDS)
    }


_WAVES = np.cos(np.pi * (2 * np.arange(8)[:, None] + 1) * np.arange(3)[None, :] / 16) / 2
_WAVES[:, 0] = np.sqrt(1 / 8)


def quantised(face: Face) -> Numbers:
    """How closely the block coefficients keep to the multiples of one step, and to a second one: JPEG, and JPEG twice.

    The blocks are those of the original's own grid; a PNG that was once a JPEG has them too.
    """
    left, top = ((side - face.square.width) // 2 for side in (face.width, face.height))
    shifted = face.square.crop((-left % 8, -top % 8, face.square.width, face.square.height)).convert("L")
    grey = np.asarray(shifted, dtype=np.float32)[:LARGEST, :LARGEST]
    grey = grey[: len(grey) // 8 * 8, : grey.shape[1] // 8 * 8]
    blocks = grey.reshape(len(grey) // 8, 8, -1, 8)
    found: Numbers = {}
    for name, (v, u) in (("across", (0, 1)), ("down", (1, 0)), ("slanted", (1, 1))):
        values = np.einsum("aybx,y,x->ab", blocks, _WAVES[:, v], _WAVES[:, u]).ravel()
        steps = np.arange(2, 17)[:, None]
        angles = (2 * np.pi / steps).astype(np.float32) * values[None, :].astype(np.float32)
        kept = np.hypot(np.cos(angles).mean(axis=1), np.sin(angles).mean(axis=1))
        first = int(kept.argmax())
        others = [kept[i] for i in range(len(kept)) if steps[first, 0] % steps[i, 0] and steps[i, 0] % steps[first, 0]]
        found[f"first quantisation {name}"] = float(kept[first])
        found[f"second quantisation {name}"] = float(max(others))
    return found
