"""Images are distorted before the ordinary path, finished chunks are cached, and bias is
distinguished from robustness."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from data_collection.images import decode as image_decode
from runtime import hashing
from toys.images import encode_image, make_image
from training.features import pixels as feature_pixels
from validation.data.sampling import sample_records
from validation.metrics.scored_images import ScoredImages
from validation.robustness import robustness
from validation.robustness.curves import plot_robustness_curves
from validation.robustness.distortions import DISTORTIONS
from validation.robustness.robustness import (
    DistortionScorer,
    compute_distortion_results,
    find_most_biased,
    score_distorted,
)

FEW = [
    row
    for row in DISTORTIONS
    if row.name in ("JPEG 30", "noise 20", "brightness -20%", "brightness +20%", "social network")
]


def brightness(pixels: np.ndarray) -> np.ndarray:
    """A detector that sees nothing but brightness."""
    return pixels.reshape(len(pixels), -1).mean(axis=1) / 255


@pytest.fixture
def records(tmp_path) -> list[FaceRecord]:
    rows = []
    for seed in range(6):
        data = encode_image(make_image(seed, 120, generated=seed % 2 == 1))
        face_id = hashing.hash_bytes(data)
        (tmp_path / face_id).write_bytes(data)
        label = ("real", "generated")[seed % 2]
        rows.append(
            FaceRecord(
                id=face_id,
                label=label,
                source=label,
                file=f"{seed}.png",
                status="accepted",
                original=face_id,
            )
        )
    return rows


def make_record(label: str, source: str, number: int) -> FaceRecord:
    return FaceRecord(
        id=hashing.hash_bytes(f"{source}{number}".encode()),
        label=label,
        source=source,
        file="",
        status="accepted",
    )


def test_a_sample_is_half_of_each_class_and_even_over_sources():
    pool = [make_record("real", "kaggle", number) for number in range(300)] + [
        make_record("real", "own", number) for number in range(20)
    ]
    pool += [
        make_record("generated", name, number)
        for name in ("one", "two", "three")
        for number in range(100)
    ]
    sample = sample_records(pool, 120)
    counts = {
        source: sum(record.source == source for record in sample)
        for source in ("kaggle", "own", "one", "two", "three")
    }
    assert counts == {"kaggle": 40, "own": 20, "one": 20, "two": 20, "three": 20}
    assert sample_records(pool[::-1], 120) == sample
    # A larger sample holds the smaller one.
    assert {record.id for record in sample_records(pool, 60)} < {record.id for record in sample}


@pytest.mark.parametrize(
    "real, generated, expected",
    [(10, 200, (10, 90)), (200, 10, (90, 10)), (0, 70, (0, 70)), (30, 30, (30, 30))],
)
def test_a_small_class_leaves_its_room_to_the_other(real, generated, expected):
    pool = [make_record("real", "a", number) for number in range(real)] + [
        make_record("generated", "b", number) for number in range(generated)
    ]
    sample = sample_records(pool, 100)
    assert (
        tuple(sum(record.label == label for record in sample) for label in ("real", "generated"))
        == expected
    )


def test_distortions_come_before_the_ordinary_path(tmp_path, records):
    scores = score_distorted(
        tmp_path, records, DistortionScorer(brightness, 48, tmp_path / "cache", ["toy"]), FEW
    )
    assert list(scores) == ["none", *(distortion.name for distortion in FEW)]
    qualities = canonical.JUDGEMENT_QUALITIES
    plain = [
        feature_pixels.load_judgement_pixels(tmp_path, record, 48, qualities) for record in records
    ]
    assert scores["none"] == pytest.approx(np.stack([brightness(views) for views in plain]))
    assert (scores["brightness -20%"] < scores["none"]).all() and (
        scores["brightness +20%"] > scores["none"]
    ).all()
    (jpeg,) = (distortion for distortion in FEW if distortion.name == "JPEG 30")
    face = image_decode.decode_face((tmp_path / records[2].original).read_bytes())
    by_hand = canonical.compute_judgement_pixels(
        replace(face, square=jpeg.apply_to(face.square, records[2].id)), 48, qualities
    )
    assert scores["JPEG 30"][2] == pytest.approx(brightness(by_hand))


def test_an_original_is_decoded_once(tmp_path, records, monkeypatch):
    decoded, decode = [], image_decode.decode_face
    monkeypatch.setattr(
        image_decode, "decode_face", lambda *args: decoded.append(1) or decode(*args)
    )
    score_distorted(
        tmp_path, records, DistortionScorer(brightness, 48, tmp_path / "cache", ["toy"]), FEW
    )
    assert len(decoded) == len(records)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, records, monkeypatch):
    monkeypatch.setattr(robustness, "ROBUSTNESS_CHUNK_IMAGES", 2)
    cache_folder, batches = tmp_path / "cache", []

    def interrupted(pixels):
        batches.append(len(pixels))
        if sum(batches) > 2 * 2 * (1 + len(FEW)):  # two images at two qualities
            raise KeyboardInterrupt
        return brightness(pixels)

    with pytest.raises(KeyboardInterrupt):
        score_distorted(
            tmp_path, records, DistortionScorer(interrupted, 48, cache_folder, ["toy"]), FEW
        )
    batches.clear()
    again = score_distorted(
        tmp_path,
        records,
        DistortionScorer(
            lambda pixels: batches.append(len(pixels)) or brightness(pixels),
            48,
            cache_folder,
            ["toy"],
        ),
        FEW,
    )
    assert sum(batches) == 2 * 4 * (1 + len(FEW))
    straight = score_distorted(
        tmp_path, records, DistortionScorer(brightness, 48, tmp_path / "other", ["toy"]), FEW
    )
    np.testing.assert_equal(again, straight)


@pytest.mark.parametrize(
    "change, distortions",
    [({"cache_key": ["other"]}, FEW), ({"image_size": 40}, FEW), ({}, FEW[:2])],
)
def test_another_detector_size_or_grid_reads_nothing_old(tmp_path, records, change, distortions):
    cache_folder = tmp_path / "cache"
    scorer = DistortionScorer(brightness, 48, cache_folder, ["toy"])
    score_distorted(tmp_path, records, scorer, FEW)
    before = set(cache_folder.iterdir())
    score_distorted(tmp_path, records, scorer, FEW)
    assert set(cache_folder.iterdir()) == before
    score_distorted(tmp_path, records, replace(scorer, **change), distortions)
    assert len(set(cache_folder.iterdir())) == len(before) + 1


def make_scored(probabilities: np.ndarray, labels: np.ndarray) -> ScoredImages:
    return ScoredImages(probabilities[:, 0], labels, np.arange(len(labels)), 0.5)


def toy_probabilities(labels: np.ndarray) -> dict[str, np.ndarray]:
    """A detector that is right at first, but calls brightened images generated."""
    generator = np.random.default_rng(0)
    undistorted = np.where(labels == 1, 0.7, 0.3) + generator.uniform(-0.15, 0.15, len(labels))
    shifts = {
        "none": 0.0,
        "JPEG 30": 0.0,
        "noise 20": 0.0,
        "brightness -20%": -0.3,
        "brightness +20%": 0.3,
        "social network": 0.1,
    }
    return {name: (undistorted + shift)[:, None] for name, shift in shifts.items()}


def test_what_shifts_every_score_alike_is_bias_and_not_a_lack_of_robustness():
    labels = np.arange(80) % 2
    probabilities = toy_probabilities(labels)
    rows = {
        result.name: result
        for result in compute_distortion_results(
            probabilities, make_scored(probabilities["none"], labels), FEW, replicates=50
        )
    }
    assert list(rows) == ["none", *(distortion.name for distortion in FEW)]
    unchanged, brighter, darker = rows["JPEG 30"], rows["brightness +20%"], rows["brightness -20%"]
    assert (unchanged.flipped.value, unchanged.bias.value, unchanged.auc) == (
        0,
        0,
        rows["none"].auc,
    )
    # Both classes brightened: the order is as it was, but every photograph is over the threshold.
    assert (brighter.auc.value, brighter.found.value) == (1, 1)
    assert brighter.false_alarms.value > 0.7 and brighter.flipped.value == pytest.approx(
        brighter.false_alarms.value / 2
    )
    assert brighter.auc_real_only.value < 0.8 and brighter.auc_generated_only.value == 1
    assert brighter.bias.value == pytest.approx(brighter.auc_real_only.value - 1)
    assert brighter.bias.low <= brighter.bias.value <= brighter.bias.high < 0
    assert darker.bias.value > 0 and darker.found.value < 0.3 and darker.false_alarms.value == 0
    assert find_most_biased(list(rows.values())).name.startswith("brightness")


def test_no_change_at_all_is_still_no_certainty():
    labels = np.arange(80) % 2
    probabilities = toy_probabilities(labels)
    unchanged = compute_distortion_results(
        probabilities, make_scored(probabilities["none"], labels), FEW, replicates=20
    )[1]
    assert unchanged.bias.value == 0 and unchanged.bias.low < 0 < unchanged.bias.high
    assert (unchanged.flipped.low, unchanged.flipped.high) == pytest.approx(
        (0, 1 - 0.025 ** (1 / 80))
    )


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_its_rate_and_no_auc(label):
    labels = np.full(30, label)
    probabilities = toy_probabilities(labels)
    rows = compute_distortion_results(
        probabilities, make_scored(probabilities["none"], labels), FEW, replicates=20
    )
    brighter = rows[[result.name for result in rows].index("brightness +20%")]
    assert str(brighter.bias) == str(brighter.auc_real_only) == "n/a"
    assert str(brighter.auc).startswith("n/a (no ")
    rates = brighter.found, brighter.false_alarms
    rate, other = rates if label else reversed(rates)
    assert rate.value > 0.7 and np.isnan(other.value)
    assert brighter.flipped.value == pytest.approx(0 if label else rate.value)
    assert find_most_biased(rows) is None
    assert Image.open(io.BytesIO(plot_robustness_curves(rows))).width >= 1000


def test_the_figure_has_a_panel_for_each_family_and_shows_the_figures():
    labels = np.arange(40) % 2
    probabilities = {"none": toy_probabilities(labels)["none"]}
    probabilities |= {distortion.name: probabilities["none"] for distortion in DISTORTIONS}
    rows = compute_distortion_results(
        probabilities, make_scored(probabilities["none"], labels), replicates=10
    )
    few = [result for result in rows if result.family in ("none", "JPEG", "screenshot")]
    moved = [
        replace(result, false_alarms=result.found) if result.name == "JPEG 30" else result
        for result in few
    ]
    whole, fewer, other = (
        np.asarray(Image.open(io.BytesIO(plot_robustness_curves(results))))
        for results in (rows, few, moved)
    )
    assert len(whole) > 2 * len(fewer)  # three rows of panels against one
    assert fewer.shape == other.shape and np.any(fewer != other)
