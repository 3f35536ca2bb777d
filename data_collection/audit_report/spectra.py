"""Figures of the power at every frequency, where generators leave traces."""

from collections.abc import Iterator, Mapping

import numpy as np

from data_collection.audit_report.image_statistics import ClassStatistics
from runtime import plotting
from runtime.plotting import CLASS_COLOURS, CLASS_LINE_STYLES, ReportFigure


def render_spectra(looks: Mapping[str, ClassStatistics]) -> Iterator[ReportFigure]:
    """Render the average spectrum of each class, their difference, and both as curves."""
    mean = {label: each.mean("power") for label, each in looks.items()}
    low, high = np.percentile(list(mean.values()), (0.5, 99.8))
    for label, power in mean.items():
        caption = (
            f"Mean log power of the centres of {looks[label].count} pictures. The middle is "
            "smooth shading, the rim is detail "
            "the size of a pixel. Generators that enlarge step by step leave dots or a grid off "
            "the middle."
        )
        yield ReportFigure(
            f"spectrum-{label}",
            f"Spectrum, {label}",
            caption,
            _render_spectrum(power, "Greys", low, high),
        )
    if len(mean) == 2:
        apart = mean["generated"] - mean["real"]
        most = max(3.0, float(np.percentile(np.abs(apart), 99.5)))
        caption = (
            "Orange: more power in the generated class; blue: more in the real one. An even tint "
            "is a difference in sharpness; "
            "dots and lines are traces of the drawing, or of an earlier JPEG or enlargement."
        )
        yield ReportFigure(
            "spectrum-difference",
            "Generated minus real",
            caption,
            _render_spectrum(apart, _build_diverging_colour_map(), -most, most),
        )
    yield _render_radial_profiles(looks)


def _build_diverging_colour_map():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "blue to orange", [CLASS_COLOURS["real"], "#f7f7f7", CLASS_COLOURS["generated"]]
    )


def _render_spectrum(power: np.ndarray, colours, low: float, high: float) -> bytes:
    figure, (axes,) = plotting.create_panels(height=3.7)
    shown = axes.imshow(
        power,
        cmap=colours,
        vmin=low,
        vmax=high,
        extent=(-0.5, 0.5, -0.5, 0.5),
        interpolation="nearest",
    )
    figure.colorbar(shown, ax=axes, label="power, dB", shrink=0.85)
    ticks = (-0.5, -0.25, 0, 0.25, 0.5)
    axes.set(
        xlabel="across, cycles per pixel",
        ylabel="down, cycles per pixel",
        xticks=ticks,
        yticks=ticks,
    )
    return plotting.render_png(figure)


def _render_radial_profiles(looks: Mapping[str, ClassStatistics]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels(height=3.7)
    first = next(iter(looks))
    zero = np.median(looks[first].profiles, axis=0)
    for label, each in looks.items():
        quarter, middle, three_quarters = np.percentile(each.profiles, (25, 50, 75), axis=0) - zero
        frequency = (np.arange(len(middle)) + 0.5) / len(middle) / 2
        axes.fill_between(
            frequency, quarter, three_quarters, color=CLASS_COLOURS[label], alpha=0.18, linewidth=0
        )
        axes.plot(
            frequency,
            middle,
            linestyle=CLASS_LINE_STYLES[label],
            color=CLASS_COLOURS[label],
            linewidth=1.6,
            label=f"{label} ({each.count})",
        )
    axes.set(
        xlabel="frequency, cycles per pixel",
        ylabel=f"power above the median {first} picture, dB",
        xlim=(0, 0.5),
    )
    axes.legend(frameon=False, fontsize=9)
    caption = (
        "The same power over all directions: line, the median picture; band, the middle half of "
        "the class. 3 dB are twice the "
        "power. Where the bands part, frequency alone tells the classes apart."
    )
    return ReportFigure(
        "spectrum-curves", "Power by frequency", caption, plotting.render_png(figure)
    )
