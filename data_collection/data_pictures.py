"""What both classes of a data set look like, as PNG: for audit.html and for TensorBoard.

Only train and validation are shown and measured; no file of the hold-out is opened.
"""

import concurrent.futures
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection import console, duplicates, face_images, manifest
from data_collection.manifest import LABELS, FaceRecord

LOOKED_AT = ("train", "validation")

MOST = 1000
"""Images that are measured, half of them real; the rest would move no curve by the width of its line."""

COLOURS = {"real": "#0072b2", "generated": "#d55e00"}
"""Apart for every kind of colour vision (Okabe and Ito); in grey the lines' dashes tell."""
DASHES = {"real": "-", "generated": (0, (4, 1.5))}

GRID = (8, 4)
"""Rows and columns of faces."""
FACE_SIDE = 112
WINDOW = 256
"""Side of the centre that detail and spectrum are measured on, in pixels."""


@dataclass(frozen=True)
class Picture:
    """One figure.

    Attributes:
        name: "faces-real", "brightness", ...; the same for every data set.
        caption: how to read it, in sentences.
        png: the file's bytes; transparent between faces, white behind curves.
    """

    name: str
    title: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class Trait:
    """A number that every image has.

    Attributes:
        axis: what it is, and its unit.
        more: what an image with a larger number is called, in comparison.
        log: whether it spans orders of magnitude.
    """

    title: str
    axis: str
    more: str
    caption: str
    log: bool = False


TRAITS = {
    "brightness": Trait("Brightness", "mean grey level, 0 to 255", "brighter", "How light the pictures are."),
    "contrast": Trait(
        "Contrast",
        "standard deviation of grey levels",
        "richer in contrast",
        "How far light and dark lie apart in one picture.",
    ),
    "saturation": Trait(
        "Saturation",
        "mean of (max \N{MINUS SIGN} min) / max over R, G, B",
        "more colourful",
        "0 is a grey picture, 1 is pure colour.",
    ),
    "sharpness": Trait(
        "Texture",
        "variance of the Laplacian, grey levels squared",
        "sharper",
        "How strongly each pixel differs from its four neighbours.",
        log=True,
    ),
    "detail": Trait(
        "Finest detail",
        "power from .7 to 1 of Nyquist, grey levels squared",
        "richer in fine detail",
        "What changes from one pixel to the next: grain, hair, noise, or the absence of them.",
        log=True,
    ),
}
FROM_ORIGINALS = ("sharpness", "detail")
"""Also measured as collected, because the canonical picture is a smaller JPEG."""


@dataclass(frozen=True)
class Look:
    """Measurements of one image.

    Attributes:
        traits: TRAITS of the canonical picture.
        before: FROM_ORIGINALS of the original.
        levels: shares of 64 levels of R, G and B; shape (3, 64).
        power: spectrum of the centre's grey levels in dB, frequency zero in the middle; shape (side, side).
        face: the canonical picture, shape (FACE_SIDE, FACE_SIDE, 3).
    """

    traits: dict[str, float]
    before: dict[str, float]
    levels: np.ndarray
    power: np.ndarray
    face: np.ndarray


@dataclass
class Looks:
    """All looks at one class, added up as they come, so that memory does not grow with their number."""

    traits: dict[str, list[float]] = field(default_factory=dict)
    before: dict[str, list[float]] = field(default_factory=dict)
    profiles: list[np.ndarray] = field(default_factory=list)
    count: int = 0
    levels: np.ndarray | float = 0.0
    power: np.ndarray | float = 0.0
    face: np.ndarray | float = 0.0

    def add(self, look: Look) -> None:
        self.count += 1
        for mine, theirs in ((self.traits, look.traits), (self.before, look.before)):
            for name, value in theirs.items():
                mine.setdefault(name, []).append(value)
        self.profiles.append(profile(look.power))
        for name in ("levels", "power", "face"):
            setattr(self, name, getattr(self, name) + getattr(look, name))

    def mean(self, name: str) -> np.ndarray:
        return getattr(self, name) / self.count


def pictures(folder: Path, records: Sequence[FaceRecord], seed: int = 0) -> list[Picture]:
    """Draws every figure that the data set has something to show for.

    Raises:
        PlainError: a file of train or validation is missing or was altered.
    """
    shown = manifest.accepted(records, *LOOKED_AT)
    drawn = {label: sample([r for r in shown if r.label == label], MOST // 2, seed) for label in LABELS}
    looks = {label: look_at(folder, drawn[label]) for label in LABELS if drawn[label]}
    if not looks:
        return []
    return [
        *(faces(folder, label, sample(drawn[label], GRID[0] * GRID[1], seed)) for label in looks),
        *(average_face(label, each) for label, each in looks.items()),
        *(distribution(name, looks) for name in TRAITS),
        colours(looks),
        *spectra(looks),
        *containers(shown),
        *near_duplicates(folder, shown),
    ]


def sample(records: Sequence[FaceRecord], count: int, seed: int) -> list[FaceRecord]:
    """At most `count` rows, drawn by `seed`, in the order of `records`."""
    if len(records) <= count:
        return list(records)
    return [records[index] for index in sorted(np.random.default_rng(seed).choice(len(records), count, replace=False))]


def look_at(folder: Path, records: Sequence[FaceRecord]) -> Looks:
    looks = Looks()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(records), 32):
            for look in pool.map(lambda record: look_at_one(folder, record), records[start : start + 32]):
                looks.add(look)
    return looks


def look_at_one(folder: Path, record: FaceRecord) -> Look:
    square = canonical(folder, record)
    grey = np.asarray(square.convert("L"), dtype=np.float32)
    traits = {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": float(np.asarray(square.convert("HSV").getchannel("S")).mean()) / 255,
        **_texture(square),
    }
    levels = np.stack([np.bincount(np.asarray(band).ravel() // 4, minlength=64) for band in square.split()]) / grey.size
    original = face_images.decode(manifest.read_original(folder, record), record.crop).square
    small = np.asarray(square.resize((FACE_SIDE, FACE_SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    return Look(traits, _texture(original), levels, spectrum(_centre(square)), small)


def canonical(folder: Path, record: FaceRecord) -> Image.Image:
    """The canonical picture of a row.

    Raises:
        PlainError: it is missing or damaged.
    """
    try:
        with Image.open(folder / record.image, formats=("JPEG",)) as image:
            return image.convert("RGB")
    except OSError:
        sentence = f"{folder / record.image} is missing or damaged; restore it, or collect the data set again."
        raise console.PlainError(sentence, console.DISK) from None


def _texture(square: Image.Image) -> dict[str, float]:
    return {"sharpness": laplacian_variance(_centre(square)), "detail": face_images.detail_power(square)}


def _centre(square: Image.Image) -> np.ndarray:
    side = min(WINDOW, square.width)
    corner = (square.width - side) // 2
    return np.asarray(square.crop((corner, corner, corner + side, corner + side)).convert("L"), dtype=np.float32)


def laplacian_variance(grey: np.ndarray) -> float:
    """Variance of the four-neighbour Laplacian, in squared grey levels."""
    inner = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var())


def spectrum(grey: np.ndarray) -> np.ndarray:
    """Power of every frequency in dB of a squared grey level, frequency zero in the middle; a Hann window hides the edges."""
    window = np.outer(np.hanning(len(grey)), np.hanning(len(grey))).astype(np.float32)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2 / np.sum(window**2)
    return 10 * np.log10(np.fft.fftshift(power) + 1e-3)


def profile(power: np.ndarray) -> np.ndarray:
    """Mean of a spectrum over rings of equal frequency, from 0 to Nyquist; shape (side / 4,)."""
    side = len(power)
    frequency = np.fft.fftshift(np.fft.fftfreq(side))
    ring = (np.hypot(frequency[:, None], frequency[None, :]) * side / 2).astype(int)
    inside = ring < side // 4
    return np.bincount(ring[inside], power[inside]) / np.bincount(ring[inside])


def more_often(real: Sequence[float], generated: Sequence[float]) -> float:
    """Share of pairs whose generated number is the larger one, ties as half: .5 is no difference."""
    ordered = np.sort(real)
    below = np.searchsorted(ordered, generated, "left") + np.searchsorted(ordered, generated, "right")
    return float(below.mean() / 2 / len(ordered))


def faces(folder: Path, label: str, records: Sequence[FaceRecord]) -> Picture:
    rows = [
        [canonical(folder, record) for record in records[start : start + GRID[1]]] for start in range(0, len(records), GRID[1])
    ]
    caption = f"{len(records)} {label} faces drawn at random, as the network sees them: same size, same kind of JPEG."
    return Picture(f"faces-{label}", f"{label.capitalize()} faces", caption, _png(_mosaic(rows, FACE_SIDE)))


def _mosaic(rows: Sequence[Sequence[Image.Image]], side: int, gap: int = 4) -> Image.Image:
    """Rows of small pictures with nothing between them, so that any background will do."""
    step = side + gap
    size = (max(map(len, rows)) * step - gap, len(rows) * step - gap)
    mosaic = Image.new("RGBA", size, (255, 255, 255, 0))
    for down, row in enumerate(rows):
        for right, image in enumerate(row):
            mosaic.paste(image.resize((side, side), Image.Resampling.LANCZOS), (right * step, down * step))
    return mosaic


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def average_face(label: str, looks: Looks) -> Picture:
    image = Image.fromarray(looks.mean("face").round().astype(np.uint8)).resize((2 * FACE_SIDE,) * 2, Image.Resampling.BICUBIC)
    caption = (
        f"Pixel by pixel mean of {looks.count} {label} pictures. The clearer the face, the more alike the framing; a detector "
        "can use a difference in framing or background without looking at any face."
    )
    return Picture(f"average-{label}", f"Average of the {label} pictures", caption, _png(image))


def distribution(name: str, looks: Mapping[str, Looks]) -> Picture:
    """Histograms of a trait, one class over the other; for FROM_ORIGINALS also as collected."""
    trait = TRAITS[name]
    stages = {"as trained": {label: each.traits[name] for label, each in looks.items()}}
    if name in FROM_ORIGINALS:
        stages = {"as collected": {label: each.before[name] for label, each in looks.items()}, **stages}
    figure, panels = _panels(len(stages), 2.9 if len(stages) == 1 else 3.7)
    everything = np.maximum(np.concatenate([values for each in stages.values() for values in each.values()]), 1e-3)
    low, high = float(everything.min()), float(everything.max()) * 1.001 + 1e-6
    bins = np.geomspace(low, high, 33) if trait.log else np.linspace(low, high, 33)
    for axes, (stage, values) in zip(panels, stages.items(), strict=True):
        _histograms(axes, {label: np.maximum(each, 1e-3) for label, each in values.items()}, bins)
        if trait.log:
            axes.set_xscale("log")
        if len(stages) > 1:
            axes.set_title(stage, loc="left", fontsize=10)
    panels[0].legend(frameon=False, fontsize=9)
    panels[-1].set_xlabel(trait.axis)
    return Picture(name, trait.title, f"{trait.caption} {_compared(trait, stages)}".strip(), _drawn(figure))


def _compared(trait: Trait, stages: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    shares = [f"{more_often(each['real'], each['generated']):.0%} {stage}" for stage, each in stages.items() if len(each) == 2]
    if not shares:
        return ""
    return f"In pairs of one of each class, the generated one is {trait.more}: {', '.join(shares)} (50% is no difference)."


def _histograms(axes, values: Mapping[str, Sequence[float]], bins: np.ndarray) -> None:
    from matplotlib.colors import to_rgba

    for label, each in values.items():
        look = {"histtype": "stepfilled", "facecolor": to_rgba(COLOURS[label], 0.22), "edgecolor": COLOURS[label]}
        weights = np.full(len(each), 100 / max(1, len(each)))
        axes.hist(each, bins, weights=weights, linestyle=DASHES[label], linewidth=1.6, label=f"{label} ({len(each)})", **look)
    axes.set_ylabel("share of class, %")


def _panels(count: int = 1, height: float = 2.9):
    """A figure without pyplot, whose global state threads and notebooks trip over."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, height), dpi=150, layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return figure, panels


def _drawn(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def colours(looks: Mapping[str, Looks]) -> Picture:
    figure, panels = _panels(3, 3.7)
    for axes, name, band in zip(panels, ("red", "green", "blue"), range(3), strict=True):
        for label, each in looks.items():
            axes.plot(
                np.arange(64) * 4 + 2,
                100 * each.mean("levels")[band],
                linestyle=DASHES[label],
                color=COLOURS[label],
                label=label,
            )
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_ylabel("pixels, %")
        axes.set_ylim(bottom=0)
    panels[0].legend(frameon=False, fontsize=9, ncols=2)
    panels[-1].set_xlabel("level, 0 to 255")
    caption = (
        "How often each level of red, green and blue occurs. A class with a spike at 0 or 255 is over- or underexposed; curves "
        "that lie apart in one channel are a colour cast."
    )
    return Picture("colours", "Colours", caption, _drawn(figure))


def spectra(looks: Mapping[str, Looks]) -> Iterator[Picture]:
    """The average spectrum of each class, their difference, and both as curves."""
    mean = {label: each.mean("power") for label, each in looks.items()}
    low, high = np.percentile(list(mean.values()), (0.5, 99.8))
    for label, power in mean.items():
        caption = (
            f"Mean log power of the centres of {looks[label].count} pictures. The middle is smooth shading, the rim is detail "
            "the size of a pixel. Generators that enlarge step by step leave dots or a grid off the middle."
        )
        yield Picture(f"spectrum-{label}", f"Spectrum, {label}", caption, _map(power, "Greys", low, high))
    if len(mean) == 2:
        apart = mean["generated"] - mean["real"]
        most = max(3.0, float(np.percentile(np.abs(apart), 99.5)))
        caption = (
            "Orange: more power in the generated class; blue: more in the real one. An even tint is a difference in sharpness; "
            "dots and lines are traces of the drawing, or of an earlier JPEG or enlargement."
        )
        yield Picture("spectrum-difference", "Generated minus real", caption, _map(apart, _blue_to_orange(), -most, most))
    yield _profiles(looks)


def _blue_to_orange():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blue to orange", [COLOURS["real"], "#f7f7f7", COLOURS["generated"]])


def _map(power: np.ndarray, colours, low: float, high: float) -> bytes:
    figure, (axes,) = _panels(height=3.7)
    shown = axes.imshow(power, cmap=colours, vmin=low, vmax=high, extent=(-0.5, 0.5, -0.5, 0.5), interpolation="nearest")
    figure.colorbar(shown, ax=axes, label="power, dB", shrink=0.85)
    ticks = (-0.5, -0.25, 0, 0.25, 0.5)
    axes.set(xlabel="across, cycles per pixel", ylabel="down, cycles per pixel", xticks=ticks, yticks=ticks)
    return _drawn(figure)


def _profiles(looks: Mapping[str, Looks]) -> Picture:
    figure, (axes,) = _panels(height=3.7)
    first = next(iter(looks))
    zero = np.median(looks[first].profiles, axis=0)
    for label, each in looks.items():
        quarter, middle, three_quarters = np.percentile(each.profiles, (25, 50, 75), axis=0) - zero
        frequency = (np.arange(len(middle)) + 0.5) / len(middle) / 2
        axes.fill_between(frequency, quarter, three_quarters, color=COLOURS[label], alpha=0.18, linewidth=0)
        axes.plot(
            frequency, middle, linestyle=DASHES[label], color=COLOURS[label], linewidth=1.6, label=f"{label} ({each.count})"
        )
    axes.set(xlabel="frequency, cycles per pixel", ylabel=f"power above the median {first} picture, dB", xlim=(0, 0.5))
    axes.legend(frameon=False, fontsize=9)
    caption = (
        "The same power over all directions: line, the median picture; band, the middle half of the class. 3 dB are twice the "
        "power. Where the bands part, frequency alone tells the classes apart."
    )
    return Picture("spectrum-curves", "Power by frequency", caption, _drawn(figure))


def containers(records: Sequence[FaceRecord]) -> list[Picture]:
    """Formats, sizes and JPEG qualities as collected, out of the manifest."""
    classes = {label: [record for record in records if record.label == label] for label in LABELS}
    classes = {label: mine for label, mine in classes.items() if mine}
    return [draw(classes) for draw in (_formats, _sizes, _qualities, _bits)]


def _formats(classes: Mapping[str, list[FaceRecord]]) -> Picture:
    figure, (axes,) = _panels()
    every = Counter(f"{record.format} {record.mode}" for mine in classes.values() for record in mine)
    kinds = [kind for kind, _ in reversed(every.most_common())]
    for place, (label, mine) in enumerate(classes.items()):
        count = Counter(f"{record.format} {record.mode}" for record in mine)
        shares = [100 * count[kind] / len(mine) for kind in kinds]
        down = np.arange(len(kinds)) + (0.2 - 0.4 * place)
        bars = axes.barh(down, shares, 0.38, color=COLOURS[label], label=f"{label} ({len(mine)})")
        axes.bar_label(bars, [f"{count[kind]}" if count[kind] else "" for kind in kinds], padding=3, fontsize=9)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set(xlabel="share of class, %", xlim=(0, 112), xticks=range(0, 101, 25))
    axes.legend(frameon=False, fontsize=9)
    caption = "File format and pixel mode of the originals. A format that only one class has labels the pictures by itself."
    return Picture("formats", "File formats", caption, _drawn(figure))


def _sizes(classes: Mapping[str, list[FaceRecord]]) -> Picture:
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    figure, (axes,) = _panels()
    for label, mine in classes.items():
        count = Counter((record.width, record.height) for record in mine)
        width, height = zip(*count, strict=True)
        area = [12 + 500 * number / len(mine) for number in count.values()]
        axes.scatter(width, height, area, color=COLOURS[label], alpha=0.45, linewidth=0, label=f"{label} ({len(mine)})")
    axes.set(xlabel="width, pixels", ylabel="height, pixels", xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())
    for disc in axes.legend(frameon=False, fontsize=9).legend_handles:
        disc.set_sizes([40])
    caption = (
        "A disc per size of the originals, its area the share of the class. One large disc is a fixed size: a label by itself."
    )
    return Picture("sizes", "Sizes", caption, _drawn(figure))


def _qualities(classes: Mapping[str, list[FaceRecord]]) -> Picture:
    figure, (axes,) = _panels()
    known = {label: [r.quality for r in mine if r.quality is not None] for label, mine in classes.items()}
    lowest = min((quality for each in known.values() for quality in each), default=60)
    _histograms(axes, known, np.arange(lowest - lowest % 2, 103, 2))
    axes.set_xlabel("JPEG quality, 1 to 100")
    axes.legend(frameon=False, fontsize=9)
    jpegs = " and ".join(f"{len(known[label])} of {len(mine)} {label} ones" for label, mine in classes.items())
    caption = f"Quality of the originals that are JPEG files: {jpegs}. A JPEG leaves traces that survive being saved again."
    return Picture("qualities", "JPEG qualities", caption, _drawn(figure))


def _bits(classes: Mapping[str, list[FaceRecord]]) -> Picture:
    figure, (axes,) = _panels()
    bits = {label: [8 * max(r.bytes, 1) / max(r.width * r.height, 1) for r in mine] for label, mine in classes.items()}
    every = [value for each in bits.values() for value in each]
    _histograms(axes, bits, np.geomspace(min(every), max(every) * 1.001, 33))
    axes.set(xlabel="bits per pixel", xscale="log")
    axes.legend(frameon=False, fontsize=9)
    caption = "Size of the originals for their pixels: low after strong JPEG compression, high for PNG files and for grain."
    return Picture("bits", "Bits per pixel", caption, _drawn(figure))


def near_groups(records: Sequence[FaceRecord]) -> list[list[FaceRecord]]:
    """Train's and validation's groups of near-duplicates by perceptual hash, largest first."""
    hashed = [record for record in manifest.accepted(records, *LOOKED_AT) if record.phash and record.phash_mirrored]
    if not hashed:
        return []
    numbers = duplicates.components(len(hashed), duplicates.near_pairs(hashed))
    groups = [
        [hashed[index] for index in np.flatnonzero(numbers == number)] for number in np.flatnonzero(np.bincount(numbers) > 1)
    ]
    return sorted(groups, key=len, reverse=True)


def near_duplicates(folder: Path, records: Sequence[FaceRecord], groups: int = 6, members: int = 6) -> Iterator[Picture]:
    """One strip per group, for a few groups; none if the data set has no near-duplicates."""
    shown = [group[:members] for group in near_groups(records)[:groups]]
    if shown:
        rows = [[_marked(canonical(folder, record), record.label) for record in group] for group in shown]
        caption = (
            f"Each row is a group of near-duplicates (perceptual hashes at most {duplicates.NEAR} of 64 bits apart, mirrored "
            f"or not), at most {members} of each. The bar beneath is blue for real, orange for generated. Rows of different "
            "pictures are false alarms, and cost nothing: a group only stays together in one split."
        )
        yield Picture("near-duplicates", "Near-duplicates", caption, _png(_mosaic(rows, FACE_SIDE)))


def _marked(image: Image.Image, label: str) -> Image.Image:
    marked = image.resize((FACE_SIDE, FACE_SIDE), Image.Resampling.LANCZOS)
    marked.paste(COLOURS[label], (0, FACE_SIDE - 6, FACE_SIDE, FACE_SIDE))
    return marked
