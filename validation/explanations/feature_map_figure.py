"""Figures of the two-dimensional feature map: by label, by source, and as thumbnails."""

import itertools
from collections.abc import Sequence

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from runtime.plotting import (
    CLASS_COLOURS,
    CLASS_LINE_STYLES,
    SERIES_COLOURS,
    ReportFigure,
    create_panels,
    render_png,
)


def plot_feature_maps(
    points: np.ndarray,
    records: Sequence[FaceRecord],
    thumbnails: np.ndarray | None,
    projection: str,
) -> list[ReportFigure]:
    """Plot the feature map three times: by label, by source, and as thumbnails.

    Args:
        points: (n, 2).
        thumbnails: uint8 (n, side, side, 3); without them, the map is not plotted as thumbnails.
        projection: name of the projection, for the titles.
    """
    sources = [f"{record.label}: {record.source}" for record in records]
    colours = dict(zip(sorted(set(sources)), itertools.cycle(SERIES_COLOURS[1:]), strict=False))
    figures = [
        ReportFigure(
            "map-label",
            f"{projection}, by label",
            "Each point is an image. A map shows which images are similar, not how far groups are "
            "apart, and proves nothing.",
            _render_scatter(
                points,
                [record.label for record in records],
                CLASS_COLOURS,
                [record.label for record in records],
            ),
        ),
        ReportFigure(
            "map-source",
            f"{projection}, by source",
            "The same points. Where sources of one label lie apart, the features also reveal where "
            "an image is from.",
            _render_scatter(
                points,
                sources,
                colours,
                [r.label for r in records],
            ),
        ),
    ]
    return figures + _plot_picture_map(points, records, thumbnails, projection)


def _plot_picture_map(
    points: np.ndarray,
    records: Sequence[FaceRecord],
    thumbnails: np.ndarray | None,
    projection: str,
) -> list[ReportFigure]:
    if thumbnails is None:
        return []
    return [
        ReportFigure(
            "map-pictures",
            f"{projection}, as pictures",
            "The same map with as many of the images as fit without overlap. What do neighbours "
            "share?",
            _render_collage(points, records, thumbnails),
        )
    ]


def _render_scatter(
    points: np.ndarray, names: Sequence[str], colours: dict[str, str], labels: Sequence[str]
) -> bytes:
    figure, (axes,) = create_panels(height=4.2)
    for name in sorted(set(names)):
        mask = np.array([other == name for other in names])
        marker = "o" if labels[int(np.argmax(mask))] == "real" else "s"
        axes.scatter(
            *points[mask].T,
            s=9,
            marker=marker,
            color=colours[name],
            alpha=0.75,
            linewidths=0,
            label=name,
        )
    _hide_axes(axes)
    axes.legend(fontsize=7.5, frameon=False, markerscale=1.6)
    return render_png(figure)


def _render_collage(
    points: np.ndarray, records: Sequence[FaceRecord], thumbnails: np.ndarray, side: float = 0.055
) -> bytes:
    from matplotlib.patches import Rectangle

    figure, (axes,) = create_panels(height=4.9)
    low, high = points.min(axis=0), points.max(axis=0)
    centres = (points - low) / np.maximum(high - low, 1e-9)
    occupied: list[np.ndarray] = []
    for centre, record, thumbnail in zip(centres, records, thumbnails, strict=True):
        if all(np.abs(centre - other).max() > side * 1.05 for other in occupied):
            occupied.append(centre)
            edges = (
                centre[0] - side / 2,
                centre[0] + side / 2,
                centre[1] - side / 2,
                centre[1] + side / 2,
            )
            axes.imshow(thumbnail, extent=edges, zorder=2)
            frame = {
                "edgecolor": CLASS_COLOURS[record.label],
                "linestyle": CLASS_LINE_STYLES[record.label],
                "linewidth": 1.2,
            }
            axes.add_patch(
                Rectangle((edges[0], edges[2]), side, side, fill=False, zorder=3, **frame)
            )
    axes.set(xlim=(-side, 1 + side), ylim=(-side, 1 + side), aspect="equal")
    _hide_axes(axes)
    for background in (figure, axes):  # transparent: white would glare in dark mode
        background.patch.set_alpha(0)
    return render_png(figure)


def _hide_axes(axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
