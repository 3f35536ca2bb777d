"""The picture of accuracy and latency can be read: ticks, the end of the axis, names, the front."""

import io
import itertools

import pytest
from matplotlib.text import Annotation, Text
from PIL import Image

from training.detectors import cost_figure
from training.detectors.card_fields import InferenceCost

ROWS = {
    "one point": {"only": (1.0, 8.0)},
    "all at the end": {f"detector {number}": (1.0, 8.0 + 3 * number) for number in range(4)},
    "crowded": {
        "faces-20261128-160303": (0.9912, 24.1),
        "logistic regression, all taps": (0.9895, 12.5),
        "logistic regression, top layer": (0.9741, 12.3),
        "head 2": (0.9899, 12.4),
        "head 3": (0.9890, 12.6),
        "scratch: logistic": (0.895, 0.055),
        "scratch: two-layer": (0.90, 0.06),
        "scratch: cnn": (0.981, 2.3),
    },
}


def draw(rows: dict[str, tuple[float, float]]):
    costs = {name: (auc, InferenceCost(1, 1.0, ms)) for name, (auc, ms) in rows.items()}
    return cost_figure.draw_costs(costs, next(iter(rows)))


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_every_name_is_written_once_and_covers_no_other_and_no_tick(rows):
    figure = draw(rows)
    (axes,) = figure.axes
    labels = [text for text in axes.texts if isinstance(text, Annotation)]
    assert sorted(label.get_text() for label in labels) == sorted(rows)
    figure.canvas.draw()
    boxes = [Text.get_window_extent(label) for label in labels]
    assert not any(first.overlaps(second) for first, second in itertools.combinations(boxes, 2))
    ticks = [label.get_window_extent() for label in axes.get_yticklabels() + axes.get_xticklabels()]
    assert not any(box.overlaps(tick) for box in boxes for tick in ticks if tick.width)
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_no_accuracy_above_one_is_shown_and_ticks_do_not_touch(rows):
    figure = draw(rows)
    (axes,) = figure.axes
    figure.canvas.draw()
    assert axes.get_ylim()[1] <= 1
    shown = [label.get_window_extent() for label in axes.get_xticklabels(which="both")]
    shown = [box for box in shown if box.width]
    assert len(shown) >= 2
    assert not any(first.overlaps(second) for first, second in itertools.combinations(shown, 2))


def test_a_front_of_one_point_is_a_line_that_can_be_seen():
    (axes,) = draw(ROWS["one point"]).axes
    x, y = axes.get_lines()[0].get_data()
    assert len(set(x)) > 1 and len(set(y)) > 1


def test_the_picture_is_a_png():
    rows = {"only": (0.9, InferenceCost(1, 1.0, 1.0))}
    assert Image.open(io.BytesIO(cost_figure.plot_costs(rows, "only"))).size[0] > 500
