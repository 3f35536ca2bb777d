"""The confusion matrix counts every image once, and its shares are of those called generated."""

import numpy as np
import pytest

from training.attribution.attribution import NONE_OF_THE_KNOWN
from validation.generators.confusion import PHOTOGRAPHS, count_named_sources
from validation.generators.named_generators import NOT_NAMED
from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.shares import compute_share_interval

ROWS = [
    *[("gan", 1, "gan")] * 6,
    *[("gan", 1, "net")] * 1,
    *[("gan", 1, NONE_OF_THE_KNOWN)] * 3,
    *[("gan", 1, NOT_NAMED)] * 4,
    *[("net", 1, "net")] * 2,
    *[("new", 1, "gan")] * 3,
    *[("new", 1, NONE_OF_THE_KNOWN)] * 5,
    *[("camera", 0, NOT_NAMED)] * 7,
    *[("gan", 0, "gan")] * 1,  # photographs in a source of the same name
]


@pytest.fixture(scope="module")
def confusion():
    sources, labels, names = (np.array(column, dtype=object) for column in zip(*ROWS, strict=True))
    groups = np.arange(len(ROWS))
    return count_named_sources(("gan", "net"), sources, labels.astype(int), groups, names)


def test_rows_are_sources_and_columns_the_answers(confusion):
    counted = {
        row.source: (row.images, row.generated, row.named["gan"], row.named["net"], row.none)
        for row in confusion.rows
    }
    assert counted == {
        "gan": (14, 10, 6, 1, 3),
        "net": (2, 2, 0, 2, 0),
        "new": (8, 8, 3, 0, 5),
        PHOTOGRAPHS: (8, 1, 1, 0, 0),
    }
    assert [row.is_known for row in confusion.rows] == [True, True, False, False]


def test_shares_are_of_what_is_called_generated_and_have_intervals(confusion):
    gan, _, new, photographs = confusion.rows
    is_own = np.array([1] * 6 + [0] * 4)
    expected = compute_share_interval(is_own, np.arange(10), CONFIDENCE_LEVEL)
    assert (gan.own_share.low, gan.own_share.high) == pytest.approx(expected)
    assert (gan.own_share.value, gan.none_share.value) == (0.6, 0.3)
    assert new.none_share.value == pytest.approx(5 / 8)
    assert np.isnan(new.own_share.value) and np.isnan(photographs.own_share.value)
    assert confusion.own_share.value == pytest.approx(8 / 12)
    assert confusion.none_share.value == pytest.approx(5 / 8)


def test_the_sentences_say_how_many_images_they_are_of(confusion):
    known, unknown = confusion.list_sentences()
    assert known.startswith("Of 12 images of known generators that were called generated, 67% (")
    assert known.endswith("got their own generator's name.")
    assert unknown.startswith("Of 8 images of generators that it does not know that were called")
    assert unknown.endswith("got none.")
