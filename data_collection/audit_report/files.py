"""Figures of the originals as files, from the manifest: formats, sizes, JPEG qualities, bits per
pixel."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from data_collection.dataset.manifest import LABELS, FaceRecord
from runtime import plotting
from runtime.plotting import CLASS_COLOURS, ReportFigure


def render_file_figures(records: Sequence[FaceRecord]) -> list[ReportFigure]:
    """Render formats, sizes, JPEG qualities and bits per pixel as collected."""
    classes = {label: [record for record in records if record.label == label] for label in LABELS}
    classes = {label: mine for label, mine in classes.items() if mine}
    return [
        draw(classes)
        for draw in (_render_formats, _render_sizes, _render_jpeg_qualities, _render_bits_per_pixel)
    ]


def _render_formats(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels()
    every = Counter(
        f"{record.format} {record.mode}" for mine in classes.values() for record in mine
    )
    kinds = [kind for kind, _ in reversed(every.most_common())]
    for place, (label, mine) in enumerate(classes.items()):
        count = Counter(f"{record.format} {record.mode}" for record in mine)
        shares = [100 * count[kind] / len(mine) for kind in kinds]
        down = np.arange(len(kinds)) + (0.2 - 0.4 * place)
        bars = axes.barh(
            down, shares, 0.38, color=CLASS_COLOURS[label], label=f"{label} ({len(mine)})"
        )
        axes.bar_label(
            bars, [f"{count[kind]}" if count[kind] else "" for kind in kinds], padding=3, fontsize=9
        )
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set(xlabel="share of class, %", xlim=(0, 112), xticks=range(0, 101, 25))
    axes.legend(frameon=False, fontsize=9)
    caption = (
        "File format and pixel mode of the originals. A format that only one class has "
        "labels the pictures by itself."
    )
    return ReportFigure("formats", "File formats", caption, plotting.render_png(figure))


def _render_sizes(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    figure, (axes,) = plotting.create_panels()
    for label, mine in classes.items():
        count = Counter((record.width, record.height) for record in mine)
        width, height = zip(*count, strict=True)
        area = [12 + 500 * number / len(mine) for number in count.values()]
        axes.scatter(
            width,
            height,
            area,
            color=CLASS_COLOURS[label],
            alpha=0.45,
            linewidth=0,
            label=f"{label} ({len(mine)})",
        )
    axes.set(xlabel="width, pixels", ylabel="height, pixels", xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())
    for disc in axes.legend(frameon=False, fontsize=9).legend_handles:
        disc.set_sizes([40])
    caption = (
        "A disc per size of the originals, its area the share of the class. One large disc is a "
        "fixed size: a label by itself."
    )
    return ReportFigure("sizes", "Sizes", caption, plotting.render_png(figure))


def _render_jpeg_qualities(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels()
    known = {
        label: [r.quality for r in mine if r.quality is not None] for label, mine in classes.items()
    }
    lowest = min((quality for each in known.values() for quality in each), default=60)
    plotting.draw_histograms(axes, known, np.arange(lowest - lowest % 2, 103, 2))
    axes.set_xlabel("JPEG quality, 1 to 100")
    axes.legend(frameon=False, fontsize=9)
    jpegs = " and ".join(
        f"{len(known[label])} of {len(mine)} {label} ones" for label, mine in classes.items()
    )
    caption = (
        f"Quality of the originals that are JPEG files: {jpegs}. A JPEG leaves traces that "
        "survive being saved again."
    )
    return ReportFigure("qualities", "JPEG qualities", caption, plotting.render_png(figure))


def _render_bits_per_pixel(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels()
    bits = {
        label: [8 * max(r.bytes, 1) / max(r.width * r.height, 1) for r in mine]
        for label, mine in classes.items()
    }
    every = [value for each in bits.values() for value in each]
    plotting.draw_histograms(axes, bits, np.geomspace(min(every), max(every) * 1.001, 33))
    axes.set(xlabel="bits per pixel", xscale="log")
    axes.legend(frameon=False, fontsize=9)
    caption = (
        "Size of the originals for their pixels: low after strong JPEG compression, high "
        "for PNG files and for grain."
    )
    return ReportFigure("bits", "Bits per pixel", caption, plotting.render_png(figure))
