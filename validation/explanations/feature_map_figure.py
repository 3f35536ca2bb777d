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
    places: np.ndarray, records: Sequence[FaceRecord], thumbnails: np.ndarray, how: str
) -> list[ReportFigure]:
    """The map of the features three times: by label, by source, and as the pictures themselves.

    Args:
        places: (n, 2).
        thumbnails: of the same records, uint8 (n, side, side, 3).
    """
    sources = [f"{record.label}: {record.source}" for record in records]
    shades = dict(zip(sorted(set(sources)), itertools.cycle(SERIES_COLOURS[1:]), strict=False))
    return [
        ReportFigure(
            "map-label",
            f"{how}, by label",
            "Each point is an image. A map shows who is near whom, not how far groups are apart, and proves nothing.",
            _render_scatter(
                places,
                [record.label for record in records],
                CLASS_COLOURS,
                [record.label for record in records],
            ),
        ),
        ReportFigure(
            "map-source",
            f"{how}, by source",
            "The same points. Where sources of one label lie apart, the features know where a picture is from, too.",
            _render_scatter(
                places,
                sources,
                shades,
                [r.label for r in records],
            ),
        ),
        ReportFigure(
            "map-pictures",
            f"{how}, as pictures",
            "The same map with the pictures in their places, where they do not cover each other. What do neighbours share?",
            _render_collage(places, records, thumbnails),
        ),
    ]


def _render_scatter(
    places: np.ndarray, names: Sequence[str], colours: dict[str, str], labels: Sequence[str]
) -> bytes:
    figure, (axes,) = create_panels(height=4.2)
    for name in sorted(set(names)):
        mine = np.array([each == name for each in names])
        marker = "o" if labels[int(np.argmax(mine))] == "real" else "s"
        axes.scatter(
            *places[mine].T,
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
    places: np.ndarray, records: Sequence[FaceRecord], thumbnails: np.ndarray, side: float = 0.055
) -> bytes:
    from matplotlib.patches import Rectangle

    figure, (axes,) = create_panels(height=4.9)
    low, high = places.min(axis=0), places.max(axis=0)
    inside = (places - low) / np.maximum(high - low, 1e-9)
    taken: list[np.ndarray] = []
    for place, record, picture in zip(inside, records, thumbnails, strict=True):
        if all(np.abs(place - other).max() > side * 1.05 for other in taken):
            taken.append(place)
            edges = (
                place[0] - side / 2,
                place[0] + side / 2,
                place[1] - side / 2,
                place[1] + side / 2,
            )
            axes.imshow(picture, extent=edges, zorder=2)
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
    for background in (figure, axes):  # the page shows through: white would glare in the dark
        background.patch.set_alpha(0)
    return render_png(figure)


def _hide_axes(axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
