"""Ways of training are compared on the same sources left out."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.sources_left_out import page, study, ways
from benchmarks.studies.sources_left_out.ways import TrainingWay
from toys import face_records
from toys.datasets import collect_records
from toys.extractor import ToyExtractor
from toys.source_records import SOURCES, make_source_records
from training import dataset, run_features
from training.detectors.card_fields import InferenceCost
from validation.leave_source_out import evaluate
from validation.metrics.estimates import Estimate

TOY = {
    "bases": ("mobilenet_v2",),
    "sizes": (face_records.RECORD_SIDE_PX,),
    "signals": ("picture",),
    "weights": "random",
    "trials": 4,
    "epochs": 8,
    "ensemble": 2,
}
SEARCHED = TrainingWay(key="searched", name="searched", crop="centre", options=TOY)
PLAIN = TrainingWay(
    key="plain",
    name="plain",
    crop="centre",
    options=TOY,
    choose_heads=ways.choose_plain_regression,
)
SPANNING = TrainingWay(
    key="spanning",
    name="spanning",
    crop="centre",
    options={**TOY, "bases": ("mobilenet_v2", "resnet50"), "span_bases": True},
)
UNUSED = TrainingWay(key="unused", name="unused", crop="centre", options={"bases": ("missing",)})
COST = InferenceCost(1000, 14.0, 10.0)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a data set, and the page of two ways and of their mean."""
    folder = tmp_path_factory.mktemp("data") / "many"
    collect_records(folder, make_source_records(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_features, "Extractor", ToyExtractor)
        patch.setattr(study, "measure_costs", lambda settings, _: [COST for _ in settings.bases])
        patch.setattr(study, "TRAINING_WAYS", (SEARCHED, UNUSED, PLAIN, SPANNING))
        patch.setattr(study, "COMBINED_WAYS", (("searched", "plain"), ("searched", "unused")))
        settings = study.StudySettings(
            centre=folder, ways=("searched", "plain", "spanning"), out=folder / "page.md"
        )
        study.main(settings)
        yield folder, settings.out.read_text()


def read_scores(folder, way):
    settings = study.make_settings(way, dataset.load_dataset(folder.parent, folder))
    return evaluate.score_left_out_sources(
        settings, dataset.load_dataset(folder.parent, folder), way.choose_heads
    )


def test_every_way_has_a_row_of_means_and_every_source_a_row_of_aucs(written):
    _, text = written
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    names = [row[0].removeprefix("| ") for row in rows]
    assert names[2:6] == ["searched", "plain", "spanning", "mean of searched and plain"]
    assert [name.split(" (")[0] for name in names[-4:]] == list(SOURCES)
    assert rows[2][-2:] == ["10", "14 |"] and rows[4][-2:] == rows[5][-2:] == ["20", "28 |"]


def test_a_way_may_replace_the_search_by_one_plain_regression(written):
    folder, _ = written
    searched, plain = read_scores(folder, SEARCHED), read_scores(folder, PLAIN)
    assert all(len(scores.heads) == 2 for scores in searched)
    heads = [head for scores in plain for head in scores.heads]
    assert len(heads) == len(SOURCES) and all("logistic regression" in head for head in heads)


def test_a_mean_of_two_ways_is_that_of_their_logits_and_has_no_cuts(written):
    folder, text = written
    first, second = read_scores(folder, SEARCHED)[0], read_scores(folder, PLAIN)[0]
    combined = study.combine_scores(first, second)
    expected = (np.array(first.unseen_logits) + np.array(second.unseen_logits)) / 2
    assert np.array(combined.unseen_logits) == pytest.approx(expected)
    row = next(line for line in text.splitlines() if line.startswith("| mean of"))
    assert re.search(r"\| n/a \| n/a \| n/a", row)


def test_a_mean_of_estimates_has_the_interval_of_independent_or_shared_images():
    estimates = [Estimate(0.5, 0.4, 0.6), Estimate(0.7, 0.6, 0.8)]
    independent = page.average_estimates(estimates)
    assert independent.value == pytest.approx(0.6)
    # The standard error of a mean of two is that of one over the root of two.
    assert independent.high - 0.6 == pytest.approx(0.1 / np.sqrt(2))
    assert page.average_estimates(estimates, shared=True).high == pytest.approx(0.7)


def test_an_unknown_way_or_no_data_set_is_told():
    with pytest.raises(ValueError, match="--ways has clop; there are [a-z]"):
        study.StudySettings(centre=Path("data/twelve"), ways=("clop",))
    with pytest.raises(ValueError, match="Name a data set with --centre or --face"):
        study.StudySettings()
