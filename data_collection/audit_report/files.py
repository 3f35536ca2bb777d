"""Render figures of the originals as files: formats, sizes, JPEG qualities, bits per pixel."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from data_collection.dataset.manifest import LABELS, FaceRecord
from runtime import plotting
from runtime.plotting import CLASS_COLOURS, ReportFigure


def render_file_figures(records: Sequence[FaceRecord]) -> list[ReportFigure]:
    """Render formats, sizes, JPEG qualities and bits per pixel as collected."""
    classes = {label: [record for record in records if record.label == label] for label in LABELS}
    classes = {label: of_class for label, of_class in classes.items() if of_class}
    return [
        render(classes)
        for render in (
            _render_formats,
            _render_sizes,
            _render_jpeg_qualities,
            _render_bits_per_pixel,
        )
    ]


def _render_formats(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels()
    counts = {
        label: Counter(f"{record.format} {record.mode}" for record in of_class)
        for label, of_class in classes.items()
    }
    total = sum(counts.values(), Counter())
    kinds = [kind for kind, _ in reversed(total.most_common())]
    for index, (label, count) in enumerate(counts.items()):
        n_images = len(classes[label])
        shares = [100 * count[kind] / n_images for kind in kinds]
        y = np.arange(len(kinds)) + (0.2 - 0.4 * index)
        bars = axes.barh(y, shares, 0.38, color=CLASS_COLOURS[label], label=f"{label} ({n_images})")
        axes.bar_label(
            bars, [f"{count[kind]}" if count[kind] else "" for kind in kinds], padding=3, fontsize=9
        )
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set(xlabel="share of class, %", xlim=(0, 112), xticks=range(0, 101, 25))
    axes.legend(frameon=False, fontsize=9)
    caption = (
        "File format and pixel mode of the originals. A format that only one class has gives the "
        "label away."
    )
    return ReportFigure("formats", "File formats", caption, plotting.render_png(figure))


def _render_sizes(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter

    figure, (axes,) = plotting.create_panels()
    for label, of_class in classes.items():
        count = Counter((record.width, record.height) for record in of_class)
        width, height = zip(*count, strict=True)
        area = [12 + 500 * number / len(of_class) for number in count.values()]
        axes.scatter(
            width,
            height,
            area,
            color=CLASS_COLOURS[label],
            alpha=0.45,
            linewidth=0,
            label=f"{label} ({len(of_class)})",
        )
    axes.set(xlabel="width, pixels", ylabel="height, pixels", xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_locator(NullLocator())
    for disc in axes.legend(frameon=False, fontsize=9).legend_handles:
        disc.set_sizes([40])
    caption = (
        "One disc per size of the originals; its area is the share of the class. One large disc "
        "is a fixed size, which gives the label away."
    )
    return ReportFigure("sizes", "Sizes", caption, plotting.render_png(figure))


def _render_jpeg_qualities(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels()
    qualities = {
        label: [record.quality for record in of_class if record.quality is not None]
        for label, of_class in classes.items()
    }
    lowest = min((value for values in qualities.values() for value in values), default=60)
    plotting.draw_histograms(axes, qualities, np.arange(lowest - lowest % 2, 103, 2))
    axes.set_xlabel("JPEG quality, 1 to 100")
    axes.legend(frameon=False, fontsize=9)
    jpegs = " and ".join(
        f"{len(qualities[label])} of {len(of_class)} {label} ones"
        for label, of_class in classes.items()
    )
    caption = (
        f"Quality of the originals that are JPEG files: {jpegs}. JPEG compression leaves traces "
        "that survive saving the image again."
    )
    return ReportFigure("qualities", "JPEG qualities", caption, plotting.render_png(figure))


def _render_bits_per_pixel(classes: Mapping[str, list[FaceRecord]]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels()
    bits = {
        label: [8 * max(r.bytes, 1) / max(r.width * r.height, 1) for r in of_class]
        for label, of_class in classes.items()
    }
    pooled = [value for values in bits.values() for value in values]
    plotting.draw_histograms(axes, bits, np.geomspace(min(pooled), max(pooled) * 1.001, 33))
    axes.set(xlabel="bits per pixel", xscale="log")
    axes.legend(frameon=False, fontsize=9)
    caption = (
        "File size of the originals per pixel: low after strong JPEG compression, high for PNG "
        "files and for grain."
    )
    return ReportFigure("bits", "Bits per pixel", caption, plotting.render_png(figure))
