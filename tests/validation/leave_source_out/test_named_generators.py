"""The report on sources left out counts the known generators that are named for them."""

import numpy as np
import pytest

from training.attribution.attribution import NONE_OF_THE_KNOWN
from training.cuts.cut import Cut
from training.cuts.operating_point import Calibration
from validation.generators.named_generators import NOT_NAMED
from validation.leave_source_out.named_generators import describe_named, list_named_rows
from validation.leave_source_out.results import SourceScores, compute_figures

CALIBRATION = Calibration(
    temperature=1.0,
    threshold=0.5,
    false_alarms=0.05,
    misses=0.05,
    false_alarm_cuts=(Cut(target=0.05, limit=0.6, groups=20),),
    miss_cuts=(Cut(target=0.05, limit=0.4, groups=20),),
    origin="folds",
)


def make_scores(source: str, label: int, names: list[str], **changes: object) -> SourceScores:
    """Return scores of a detector without a source; `names` are those of its images."""
    known = ["gan"] * 10 + ["net"] * 10 + ["camera"] * 20
    labels = [1] * 20 + [0] * 20
    random = np.random.default_rng(0)
    values = {
        "base": "mobilenet_v2",
        "heads": ("linear",),
        "seconds": 1.0,
        "calibration": CALIBRATION,
        "unseen_logits": tuple((value, value) for value in random.normal(size=len(names))),
        "unseen_groups": tuple(range(len(names))),
        "hold_out_logits": tuple((value, value) for value in random.normal(size=40)),
        "hold_out_labels": tuple(labels),
        "hold_out_groups": tuple(range(40)),
        "generators": ("gan", "net"),
        "unseen_names": tuple(names),
        "hold_out_names": ("gan",) * 8 + (NOT_NAMED,) * 4 + ("net",) * 8 + (NOT_NAMED,) * 20,
        "hold_out_sources": tuple(known),
    }
    return SourceScores(source=source, label=label, **{**values, **changes})


NEW = make_scores("new", 1, ["gan"] * 3 + [NONE_OF_THE_KNOWN] * 5 + [NOT_NAMED] * 2)
CAMERA = make_scores("phone", 0, ["net"] + [NOT_NAMED] * 9)


def test_a_generator_left_out_is_counted_by_the_names_that_its_alarms_got():
    columns, cells = list_named_rows([compute_figures(row) for row in (NEW, CAMERA)])
    named = dict(zip(columns, cells, strict=True))
    assert named["left out"] == "new" and named["called generated"] == "8 of 10"
    assert (named["gan"], named["net"], named[NONE_OF_THE_KNOWN]) == ("3", "0", "5")
    assert named["no name, 95%"].startswith("0.62 (")


def test_the_sentences_are_about_generators_left_out_and_about_known_ones():
    left_out, known = describe_named([compute_figures(row) for row in (NEW, CAMERA)])
    assert left_out.startswith("Of 8 images of generators left out that were called generated, 5 (")
    assert "100% got their own generator's name, the mean of 2 detectors" in known
    _, of_one = describe_named([compute_figures(NEW)])
    assert of_one.endswith("100% got their own generator's name.")


@pytest.mark.parametrize("label", [0, 1])
def test_without_names_nothing_is_said(label):
    plain = make_scores(
        "new", label, [NOT_NAMED] * 4, generators=(), unseen_names=(), hold_out_names=()
    )
    rows = [compute_figures(plain)]
    assert not list(list_named_rows(rows)) and not list(describe_named(rows))
