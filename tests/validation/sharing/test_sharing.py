"""Images take the whole path once they are passed on, and every changed answer is counted once."""

from dataclasses import replace

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical, decode
from data_collection.images.errors import NoSingleFace
from runtime import hashing
from toys.images import encode_image, make_image
from training.cuts.cut import Cut
from training.cuts.operating_point import OperatingPoint
from validation.metrics.comparison import DetectorResult
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.scored_images import ScoredImages
from validation.report.limits import list_limits
from validation.robustness.robustness import DistortionScorer
from validation.sharing.answer_changes import NO_FACE, count_answer_changes
from validation.sharing.chains import SHARING_CHAINS, share_picture
from validation.sharing.results import SharingSummary, summarise_sharing
from validation.sharing.scores import SharedScores, score_shared
from validation.sharing.sentences import DIRECTIONS, describe_sharing, list_sizes

JPEG_70 = SHARING_CHAINS[0]
POINT = OperatingPoint(
    false_alarm_cut=Cut(target=0.05, limit=0.7), miss_cut=Cut(target=0.05, limit=0.3)
)


def measure_grain(pixels: np.ndarray) -> np.ndarray:
    """A detector that sees nothing but fine grain, which JPEG removes."""
    rows = pixels.astype(np.float64)
    return np.abs(np.diff(rows, axis=2)).mean(axis=(1, 2, 3)) / 64


@pytest.fixture
def records(tmp_path) -> list[FaceRecord]:
    rows = []
    for seed, side in enumerate((120, 120, 1700)):
        data = encode_image(make_image(seed, side, generated=seed == 1))
        face_id = hashing.hash_bytes(data)
        (tmp_path / face_id).write_bytes(data)
        label = ("real", "generated", "real")[seed]
        rows.append(
            FaceRecord(
                id=face_id,
                label=label,
                source=label,
                file=f"{seed}.png",
                status="accepted",
                original=face_id,
                crop="centre",
            )
        )
    return rows


def test_what_arrives_takes_the_whole_path_and_finished_chunks_are_cached(
    tmp_path, records, monkeypatch
):
    scorer = DistortionScorer(measure_grain, 48, tmp_path / "cache", ["toy"])
    scores = score_shared(tmp_path, records, scorer)
    for number, record in enumerate(records):
        original = (tmp_path / record.original).read_bytes()
        files = {"": original}
        upright = decode.decode_whole(original).square
        files |= {c.name: share_picture(c, original, upright).data for c in SHARING_CHAINS}
        for name, data in files.items():
            pixels = canonical.compute_judgement_pixels(decode.decode_face(data), 48)
            row = scores.probabilities[name] if name else scores.unshared
            assert row[number] == pytest.approx(measure_grain(pixels))
    assert scores.shrunk[JPEG_70.name].tolist() == [False, False, True]
    assert scores.shrunk["longest side 2048 px, JPEG 85"].sum() == 0
    again = score_shared(tmp_path, records, replace(scorer, score=pytest.fail))
    np.testing.assert_equal(again.probabilities, scores.probabilities)


def test_a_file_that_no_longer_shows_one_face_has_no_probability(tmp_path, records, monkeypatch):
    def crop(picture):
        if picture.width == 1600:
            raise NoSingleFace(0)
        return picture

    monkeypatch.setitem(decode.CROPS, "face", crop)
    scores = score_shared(
        tmp_path,
        [replace(record, crop="face") for record in records],
        DistortionScorer(measure_grain, 48, tmp_path / "cache", ["toy"]),
    )
    lost = np.isnan(scores.probabilities[JPEG_70.name]).all(axis=1)
    assert lost.tolist() == [False, False, True] and np.isfinite(scores.unshared).all()
    scored = ScoredImages(scores.unshared[:, 0], np.array([0, 1, 0]), np.arange(3), 0.5, POINT)
    result = summarise_sharing(scores, scored, replicates=10).chains[0]
    assert result.changes.lost_face.value == pytest.approx(1 / 3)


def make_scores(unshared: np.ndarray, shared: np.ndarray, **effects: int) -> SharedScores:
    """Scores with one chain; its effects are numbers of images."""

    def mark(name: str) -> dict[str, np.ndarray]:
        return {JPEG_70.name: np.arange(len(unshared)) < effects.get(name, 0)}

    return SharedScores(
        unshared[:, None],
        {JPEG_70.name: shared[:, None]},
        mark("shrunk"),
        mark("enlarged"),
        mark("lost_profile"),
    )


def summarise(shared: np.ndarray, **effects: int) -> SharingSummary:
    """Summarise 20 generated images with .9 and 20 photographs with .1 before."""
    labels = np.arange(40) % 2
    unshared = np.where(labels == 1, 0.9, 0.1)
    scored = ScoredImages(unshared, labels, np.arange(40) // 2, 0.5, POINT)
    return summarise_sharing(
        make_scores(unshared, shared, **effects), scored, (JPEG_70,), replicates=20
    )


def test_changed_answers_are_counted_by_direction_and_add_up():
    shared = np.where(np.arange(40) % 2 == 1, 0.9, 0.1)
    shared[[1, 3, 5]] = 0.1  # generated to real
    shared[0] = 0.9  # real to generated
    shared[[7, 2]] = 0.5  # to can't tell, one of each class
    shared[9] = np.nan
    summary = summarise(shared, shrunk=12)
    (result,) = summary.chains
    changes = result.changes
    assert changes.generated_to_real.value == 3 / 40
    assert changes.real_to_generated.value == 1 / 40
    assert changes.to_abstain.value == 2 / 40
    assert changes.from_abstain.value == 0
    assert changes.lost_face.value == 1 / 40
    parts = [getattr(changes, name).value for name in DIRECTIONS]
    assert changes.any.value == pytest.approx(sum(parts)) == 7 / 40
    assert changes.any.low < 7 / 40 < changes.any.high
    assert result.metrics.found.value == pytest.approx(15 / 19)  # of those with a face
    assert result.metrics.false_alarms.value == pytest.approx(1 / 20)
    first, second = describe_sharing(summary)
    assert "17.5% (" in first and "7.5% from generated to real" in first
    assert "5.0% to “can't tell”" in first and "from “can't tell”" not in first
    assert second == "Of the 40 images, that changes in size: 12 shrunk."


def test_images_of_one_group_are_not_counted_as_independent():
    before, after = np.full(40, "real"), np.full(40, "real", dtype=object)
    after[:10] = "generated"
    apart = count_answer_changes(before, after, np.arange(40)).real_to_generated
    together = count_answer_changes(before, after, np.arange(40) // 10).real_to_generated
    assert together.value == apart.value == 0.25
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_an_abstention_that_becomes_an_answer_is_a_change_of_its_own():
    before = np.array(["can't tell", "can't tell", "real"])
    after = np.array(["generated", NO_FACE, "real"], dtype=object)
    changes = count_answer_changes(before, after, np.arange(3))
    assert changes.from_abstain.value == changes.lost_face.value == pytest.approx(1 / 3)
    assert changes.any.value == pytest.approx(2 / 3)


def test_nothing_changed_is_said_with_what_it_may_be_in_truth():
    summary = summarise(np.where(np.arange(40) % 2 == 1, 0.9, 0.1))
    (sentence,) = describe_sharing(summary)
    assert (
        "None of 1 ways of passing pictures on changes the answer to one of 40 images" in sentence
    )
    assert f"at most {summary.chains[0].changes.any.high:.1%} in truth" in sentence
    assert summary.chains[0].changes.any.high > 0.1  # 20 groups
    assert list_sizes(summary.chains[0]) == "none"


def test_pictures_that_all_lose_their_face_have_no_figure_and_are_no_crash():
    (result,) = summarise(np.full(40, np.nan)).chains
    assert result.changes.lost_face.value == result.changes.any.value == 1
    assert isinstance(result.metrics.auc, Estimate) and str(result.metrics.found).startswith("n/a")


def test_a_chain_under_which_the_answers_are_useless_is_a_limit():
    labels = np.arange(40) % 2
    scored = ScoredImages(np.where(labels == 1, 0.9, 0.1), labels, np.arange(40), 0.5, POINT)
    result = DetectorResult("toy", scored, estimate_metrics(scored, replicates=10))
    for shared, is_limit in ((np.full(40, 0.1), True), (scored.probabilities, False)):
        limits = " ".join(list_limits([], result, None, summarise(shared)))
        assert (f"Under “{JPEG_70.name}” it misses more than half" in limits) == is_limit
