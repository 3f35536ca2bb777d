"""The plot of docs/generalisation.md shows the figures of the tables."""

import io
import re

import pytest
from PIL import Image

from benchmarks.studies.generalisation import dot_plot
from toys.commands import REPOSITORY_ROOT

TABLES = (REPOSITORY_ROOT / "docs" / dot_plot.TABLES_FILE).read_text()


def test_every_recipe_of_the_plot_has_the_estimates_of_its_row():
    panels = dot_plot.read_panels(TABLES)
    for name in dot_plot.ROW_NAMES:
        row = next(line for line in TABLES.splitlines() if line.startswith(f"| {name} |"))
        numbers = [tuple(map(float, found)) for found in dot_plot.ESTIMATE.findall(row)]
        assert [panel.estimates[name] for panel in panels] == numbers


def test_panels_show_generators_left_out_and_then_photographs():
    titles = [panel.title for panel in dot_plot.read_panels(TABLES)]
    assert [title.endswith(" photographs") for title in titles] == [False] * 4 + [True] * 2


def test_a_recipe_that_the_tables_lack_is_an_error():
    name = list(dot_plot.ROW_NAMES)[-1]
    text = re.sub(rf"^\| {re.escape(name)} \|.*\n", "", TABLES, flags=re.MULTILINE)
    with pytest.raises(KeyError):
        dot_plot.read_panels(text)


def test_every_interval_lies_within_its_panel():
    for panel in dot_plot.read_panels(TABLES):
        ends = [end for _, *interval in panel.estimates.values() for end in interval]
        assert panel.limits[0] <= min(ends) and max(ends) <= panel.limits[1]


def test_the_plot_is_a_picture(tmp_path):
    (tmp_path / dot_plot.TABLES_FILE).write_text(TABLES)
    dot_plot.draw_plot(tmp_path)
    with Image.open(io.BytesIO((tmp_path / dot_plot.PLOT_FILE).read_bytes())) as image:
        assert image.width > 1000
