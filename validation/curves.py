"""The figures of a report: ROC and precision-recall curves, probabilities, reliability, and the map of the features."""

import itertools
from collections.abc import Sequence

import numpy as np

from data_collection.figures import COLOURS, DASHES, Picture, drawn, histograms, panels
from data_collection.manifest import LABELS, FaceRecord
from training.calibration import Calibration
from validation.breakdowns import reliability
from validation.comparison import Verdicts
from validation.judged import Judged

LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
SHADES = ("#1d2126", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#0072b2", "#d55e00")
"""One for each detector or source (Okabe and Ito's, apart for every kind of colour vision)."""


def figures(rivals: Sequence[Verdicts], calibration: Calibration) -> list[Picture]:
    """Every figure that these images have something to show for; the first detector is the one that is judged."""
    judged = rivals[0].judged
    both = len(set(judged.labels.tolist())) == 2
    return [*([roc(rivals), precision_recall(rivals), calibrated(judged)] if both else []), probabilities(judged, calibration)]


def roc(rivals: Sequence[Verdicts]) -> Picture:
    from sklearn.metrics import roc_curve

    figure, (axes,) = panels(height=3.9)
    for number, each in enumerate(rivals):
        fpr, tpr, _ = roc_curve(each.judged.labels, each.judged.probabilities)
        # Straight between two points: a step would count tied scores for nothing.
        _line(axes, fpr, tpr, number, f"{each.name}: {each.estimates['ROC AUC'].value:.3f}", "default")
    at = rivals[0].estimates
    axes.plot(at["FPR"].value, at["TPR"].value, "o", color=SHADES[0], markersize=7, label="at the frozen threshold")
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    axes.set(xlabel="photographs called generated (FPR)", ylabel="generated images found (TPR)")
    axes.legend(loc="lower right", fontsize=7.5, title="ROC AUC", title_fontsize=7.5, frameon=False)
    caption = (
        "Up and to the left is better; the grey diagonal is a coin. The dot is where the detector was set before these images "
        "were seen."
    )
    return Picture("roc", "ROC curve", caption, drawn(figure))


def precision_recall(rivals: Sequence[Verdicts]) -> Picture:
    from sklearn.metrics import precision_recall_curve

    figure, (axes,) = panels(height=3.9)
    for number, each in enumerate(rivals):
        precision, recall, _ = precision_recall_curve(each.judged.labels, each.judged.probabilities)
        _line(axes, recall, precision, number, f"{each.name}: {each.estimates['average precision'].value:.3f}")
    share = float(rivals[0].judged.labels.mean())
    axes.axhline(share, color="0.8", zorder=0)
    axes.set(xlabel="recall (TPR)", ylabel="precision", ylim=(0, 1.03))
    axes.legend(loc="lower left", fontsize=7.5, title="average precision", title_fontsize=7.5, frameon=False)
    caption = (
        f"Precision at this set's mix of {share:.0%} generated images (the grey line is a coin). Where generated images are "
        "rarer, precision is lower."
    )
    return Picture("precision-recall", "Precision and recall", caption, drawn(figure))


def _line(axes, x: np.ndarray, y: np.ndarray, number: int, label: str, steps: str = "steps-post") -> None:
    look = {"color": SHADES[number % len(SHADES)], "linestyle": LINES[number % len(LINES)]}
    axes.plot(x, y, label=label, linewidth=1.9 if number == 0 else 1.3, drawstyle=steps, **look)


def probabilities(judged: Judged, calibration: Calibration) -> Picture:
    figure, (axes,) = panels(height=3.4)
    values = {name: judged.probabilities[judged.labels == label] for label, name in enumerate(LABELS)}
    histograms(axes, {name: each for name, each in values.items() if len(each)}, np.linspace(0, 1, 26))
    axes.axvspan(calibration.real_below, calibration.generated_above, color="0.9", zorder=0, label="can't tell")
    axes.axvline(calibration.threshold, color="0.2", linestyle=":", label="threshold")
    axes.set(xlabel="probability of generated", xlim=(0, 1))
    axes.legend(fontsize=7.5, frameon=False)
    caption = (
        "What the detector says. The grey band is where it answers “can't tell”; threshold and band were set on other images."
    )
    return Picture("probabilities", "Probabilities", caption, drawn(figure))


def calibrated(judged: Judged) -> Picture:
    figure, (axes, below) = panels(2, height=4.2)
    found = list(reliability(judged))
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    x, y = [each.probability for each in found], [each.generated for each in found]
    axes.plot(x, y, "o-", color=SHADES[0], markersize=4, linewidth=1.3)
    axes.set(ylabel="share generated", ylim=(-0.04, 1.04), xlim=(0, 1))
    below.bar(x, [each.images for each in found], width=0.02, color=SHADES[1])
    below.set(xlabel="probability of generated, mean of the bin", ylabel="images")
    caption = (
        "Of the images that are given 70%, 70% should be generated: points on the grey line. Bins with few images, see below, "
        "say little."
    )
    return Picture("reliability", "Reliability", caption, drawn(figure))


def maps(places: np.ndarray, records: Sequence[FaceRecord], thumbnails: np.ndarray, how: str) -> list[Picture]:
    """The map of the features three times: by label, by source, and as the pictures themselves.

    Args:
        places: (n, 2).
        thumbnails: of the same records, uint8 (n, side, side, 3).
    """
    sources = [f"{record.label}: {record.source}" for record in records]
    shades = dict(zip(sorted(set(sources)), itertools.cycle(SHADES[1:]), strict=False))
    return [
        Picture(
            "map-label",
            f"{how}, by label",
            "Each point is an image. A map shows who is near whom, not how far groups are apart, and proves nothing.",
            _scatter(places, [record.label for record in records], COLOURS, [record.label for record in records]),
        ),
        Picture(
            "map-source",
            f"{how}, by source",
            "The same points. Where sources of one label lie apart, the features know where a picture is from, too.",
            _scatter(
                places,
                sources,
                shades,
                [r.label for r in records],
            ),
        ),
        Picture(
            "map-pictures",
            f"{how}, as pictures",
            "The same map with the pictures in their places, where they do not cover each other. What do neighbours share?",
            _collage(places, records, thumbnails),
        ),
    ]


def _scatter(places: np.ndarray, names: Sequence[str], colours: dict[str, str], labels: Sequence[str]) -> bytes:
    figure, (axes,) = panels(height=4.2)
    for name in sorted(set(names)):
        mine = np.array([each == name for each in names])
        marker = "o" if labels[int(np.argmax(mine))] == "real" else "s"
        axes.scatter(*places[mine].T, s=9, marker=marker, color=colours[name], alpha=0.75, linewidths=0, label=name)
    _bare(axes)
    axes.legend(fontsize=7.5, frameon=False, markerscale=1.6)
    return drawn(figure)


def _collage(places: np.ndarray, records: Sequence[FaceRecord], thumbnails: np.ndarray, side: float = 0.055) -> bytes:
    from matplotlib.patches import Rectangle

    figure, (axes,) = panels(height=4.9)
    low, high = places.min(axis=0), places.max(axis=0)
    inside = (places - low) / np.maximum(high - low, 1e-9)
    taken: list[np.ndarray] = []
    for place, record, picture in zip(inside, records, thumbnails, strict=True):
        if all(np.abs(place - other).max() > side * 1.05 for other in taken):
            taken.append(place)
            edges = (place[0] - side / 2, place[0] + side / 2, place[1] - side / 2, place[1] + side / 2)
            axes.imshow(picture, extent=edges, zorder=2)
            frame = {"edgecolor": COLOURS[record.label], "linestyle": DASHES[record.label], "linewidth": 1.2}
            axes.add_patch(Rectangle((edges[0], edges[2]), side, side, fill=False, zorder=3, **frame))
    axes.set(xlim=(-side, 1 + side), ylim=(-side, 1 + side), aspect="equal")
    _bare(axes)
    for background in (figure, axes):  # the page shows through: white would glare in the dark
        background.patch.set_alpha(0)
    return drawn(figure)


def _bare(axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
