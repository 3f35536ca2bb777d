"""Render figures of the power at every frequency, where generators leave traces."""

from collections.abc import Iterator, Mapping

import numpy as np

from data_collection.audit_report.image_statistics import ClassStatistics
from runtime import plotting
from runtime.plotting import CLASS_COLOURS, CLASS_LINE_STYLES, ReportFigure


def render_spectra(statistics: Mapping[str, ClassStatistics]) -> Iterator[ReportFigure]:
    """Render the average spectrum of each class, their difference, and both as curves."""
    spectra = {label: of_class.compute_mean("power") for label, of_class in statistics.items()}
    low, high = np.percentile(list(spectra.values()), (0.5, 99.8))
    for label, power in spectra.items():
        caption = (
            f"Mean log power of the centres of {statistics[label].n_images} images. The middle is "
            "smooth shading, the rim is detail the size of a pixel. Generators that enlarge step "
            "by step leave dots or a grid off the middle."
        )
        yield ReportFigure(
            f"spectrum-{label}",
            f"Spectrum, {label}",
            caption,
            _render_spectrum(power, "Greys", low, high),
        )
    if len(spectra) == 2:
        difference = spectra["generated"] - spectra["real"]
        limit = max(3.0, float(np.percentile(np.abs(difference), 99.5)))
        caption = (
            "Orange: more power in the generated class; blue: more in the real one. An even tint "
            "is a difference in sharpness; dots and lines are traces of the generator, or of an "
            "earlier JPEG compression or enlargement."
        )
        yield ReportFigure(
            "spectrum-difference",
            "Generated minus real",
            caption,
            _render_spectrum(difference, _build_diverging_colour_map(), -limit, limit),
        )
    yield _render_radial_profiles(statistics)


def _build_diverging_colour_map():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "blue to orange", [CLASS_COLOURS["real"], "#f7f7f7", CLASS_COLOURS["generated"]]
    )


def _render_spectrum(power: np.ndarray, colour_map, low: float, high: float) -> bytes:
    figure, (axes,) = plotting.create_panels(height=3.7)
    image = axes.imshow(
        power,
        cmap=colour_map,
        vmin=low,
        vmax=high,
        extent=(-0.5, 0.5, -0.5, 0.5),
        interpolation="nearest",
    )
    figure.colorbar(image, ax=axes, label="power, dB", shrink=0.85)
    ticks = (-0.5, -0.25, 0, 0.25, 0.5)
    axes.set(
        xlabel="across, cycles per pixel",
        ylabel="down, cycles per pixel",
        xticks=ticks,
        yticks=ticks,
    )
    return plotting.render_png(figure)


def _render_radial_profiles(statistics: Mapping[str, ClassStatistics]) -> ReportFigure:
    figure, (axes,) = plotting.create_panels(height=3.7)
    first = next(iter(statistics))
    reference = np.median(statistics[first].radial_profiles, axis=0)
    for label, of_class in statistics.items():
        profiles = np.array(of_class.radial_profiles)
        quartile, median, upper_quartile = np.percentile(profiles, (25, 50, 75), axis=0) - reference
        frequency = (np.arange(len(median)) + 0.5) / len(median) / 2
        axes.fill_between(
            frequency,
            quartile,
            upper_quartile,
            color=CLASS_COLOURS[label],
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(
            frequency,
            median,
            linestyle=CLASS_LINE_STYLES[label],
            color=CLASS_COLOURS[label],
            linewidth=1.6,
            label=f"{label} ({of_class.n_images})",
        )
    axes.set(
        xlabel="frequency, cycles per pixel",
        ylabel=f"power above the median {first} image, dB",
        xlim=(0, 0.5),
    )
    axes.legend(frameon=False, fontsize=9)
    caption = (
        "The same power over all directions: line, the median image; band, the middle half of the "
        "class. 3 dB are twice the power. Where the bands part, frequency alone separates the "
        "classes."
    )
    return ReportFigure(
        "spectrum-curves", "Power by frequency", caption, plotting.render_png(figure)
    )
