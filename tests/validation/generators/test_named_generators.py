"""Validation names the generators that detection names."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection.predictor import Detector
from toys.datasets import write_originals
from toys.face_detector import draw_schematic_face
from toys.images import encode_image
from training.cuts.operating_point import OperatingPoint
from training.detectors import card as detector_card
from training.detectors import ready_detectors
from validation import predictions
from validation.generators.confusion import count_named_sources
from validation.generators.named_generators import NOT_NAMED, name_generators
from validation.metrics.scored_images import ScoredImages

READY = ready_detectors.READY_FOLDER / "telltale-faces"


def lower_cuts(card: detector_card.Card) -> OperatingPoint:
    """Return a point at which everything is called generated."""
    point = card.calibration.point
    return OperatingPoint(
        false_alarm_cut=replace(point.false_alarm_cut, limit=1e-6),
        miss_cut=replace(point.miss_cut, limit=1e-7),
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    detector = tmp_path / "telltale-faces"
    shutil.copytree(READY, detector, ignore=shutil.ignore_patterns("report", "explainer"))
    return detector


def test_the_names_are_those_of_detection_and_only_of_alarms(folder, tmp_path):
    card = detector_card.read_card(folder)
    # between no cut and all, so that some get a name and others none
    card = replace(card, attribution=replace(card.attribution, cut=0.4))
    pictures = [Image.new("RGB", (300, 420), (150 + 20 * n, 200, 190)) for n in range(5)]
    faces = [encode_image(draw_schematic_face(picture, 150, 210, 90)) for picture in pictures]
    records = write_originals(tmp_path / "data", [("generated", data) for data in faces])
    (scorer,) = predictions.load_scorers(folder, card)
    (probabilities,) = predictions.score_images(tmp_path / "data", records, [scorer])
    point = lower_cuts(card)
    scored = ScoredImages.from_records(records, probabilities, 0.5, point)
    names = name_generators(tmp_path / "data", records, scored, scorer, card)

    detector = Detector(folder, card, point=point)
    images = [detector.decode_image(data, Path("a.png")) for data in faces]
    expected = [detection.generator.closest for detection in detector.detect_batch(images)]
    confusion = count_named_sources(
        card.attribution.generators,
        np.array(["toy"] * 5, object),
        scored.labels,
        scored.groups,
        names,
    )
    assert [name if name in card.attribution.generators else None for name in names] == expected
    assert confusion.rows[0].generated == 5
    again = name_generators(tmp_path / "data", records, scored, scorer, card)  # from the cache
    assert again.tolist() == names.tolist()

    own = ScoredImages.from_records(records, probabilities, 0.5, card.calibration.point)
    named = name_generators(tmp_path / "data", records, own, scorer, card)
    assert [name != NOT_NAMED for name in named] == (own.answers == "generated").tolist()
