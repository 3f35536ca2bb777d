"""Decide: turn the probabilities of an image's judged squares into its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from detection.detections import Detection, FaceDetection, JudgedSquare, ProbabilityRange
from detection.face_check import MIN_REAL_SIDE_SHARE
from training.attribution.attribution import GeneratorAnswer
from training.calibration import turn_to_prevalence
from training.cuts.operating_point import Calibration, OperatingPoint
from training.cuts.several_faces import correct_for_faces, state_for_faces
from training.cuts.statement import DEFAULT_PREVALENCE, DetectorStatement
from training.cuts.verdicts import ABSTAIN, GENERATED, REAL, Verdict
from training.detectors.card import Card

SUSPICION = (REAL, ABSTAIN, GENERATED)
"""Verdicts from the least suspicious to the most."""


@dataclass
class DecisionRule:
    """The cuts of a detector, and what they are worth, for any number of faces.

    Attributes:
        calibration: whose false-alarm cuts may be used.
        point: the cuts for one face.
        prevalence: share of generated images where the detector is used; None if not known.
        detector_reason: why the detector was taken, in words.
    """

    card: Card
    calibration: Calibration
    point: OperatingPoint
    prevalence: float | None = None
    detector_reason: str = ""
    _points: dict[int, OperatingPoint] = field(default_factory=dict)
    _statements: dict[int, DetectorStatement] = field(default_factory=dict)

    def find_point(self, n_faces: int) -> OperatingPoint:
        """Return the cuts for each face of an image of so many."""
        if n_faces < 2:
            return self.point
        if n_faces not in self._points:
            corrected = correct_for_faces(self.calibration, self.point, n_faces)
            self._points[n_faces] = corrected
        return self._points[n_faces]

    def find_statement(self, n_faces: int = 1) -> DetectorStatement:
        """Return what the answer to an image of so many faces is worth."""
        if n_faces not in self._statements:
            self._statements[n_faces] = self._make_statement(n_faces)
        return replace(self._statements[n_faces], detector_reason=self.detector_reason)

    def _make_statement(self, n_faces: int) -> DetectorStatement:
        statement = self.card.make_statement(
            self.find_point(n_faces), self.prevalence or DEFAULT_PREVALENCE
        )
        if n_faces == 1:
            return statement
        return state_for_faces(statement, self.calibration, self.point, n_faces)

    def decide(self, detection: Detection, squares: Sequence[JudgedSquare]) -> Detection:
        """Add the verdicts to an image's Detection.

        Args:
            squares: one for each of its faces, or one if it shows none.
        """
        ranges = [square.range for square in squares]
        numbers = [(square.value, square.low, square.high) for square in ranges]
        if not np.isfinite(numbers).all():
            return replace(detection, error="the detector gave no number for it")
        point = self.find_point(len(ranges))
        judged = [(point.decide(*row), square) for row, square in zip(numbers, ranges, strict=True)]
        if len(judged) + detection.passed_over > 1:
            judged = self._doubt_small_faces(detection.faces, judged)
        generators = [
            self._name_generator(verdict, square)
            for (verdict, _), square in zip(judged, squares, strict=True)
        ]
        most_suspicious = find_most_suspicious(judged)
        verdict, worst = judged[most_suspicious]
        return replace(
            detection,
            verdict=ABSTAIN if verdict == REAL and detection.passed_over else verdict,
            probability=worst.value,
            low=worst.low,
            high=worst.high,
            at_prevalence=self.prevalence and turn_to_prevalence(worst.value, self.prevalence),
            faces=detection.faces and _judge_faces(detection.faces, judged, generators),
            generator=generators[most_suspicious],
            statement=self.find_statement(len(ranges)) if len(ranges) > 1 else None,
        )

    def _name_generator(self, verdict: Verdict, square: JudgedSquare) -> GeneratorAnswer | None:
        """Return the generator of a square that is called generated; None for any other."""
        attribution, nearest = self.card.attribution, square.nearest
        if verdict != GENERATED or attribution is None or nearest is None:
            return None
        return attribution.answer(nearest) if nearest.name in attribution.generators else None

    def _doubt_small_faces(
        self, faces: Sequence[FaceDetection], judged: Sequence[tuple[Verdict, ProbabilityRange]]
    ) -> list[tuple[Verdict, ProbabilityRange]]:
        min_side = MIN_REAL_SIDE_SHARE * self.card.image_size
        return [
            (ABSTAIN if verdict == REAL and face.box.width < min_side else verdict, square)
            for face, (verdict, square) in zip(faces, judged, strict=True)
        ]


def find_most_suspicious(judged: Sequence[tuple[Verdict, ProbabilityRange]]) -> int:
    """Return the index of the most suspicious verdict; of the most probable one if several are."""
    ranks = [(SUSPICION.index(verdict), square.value) for verdict, square in judged]
    return ranks.index(max(ranks))


def _judge_faces(
    faces: Sequence[FaceDetection],
    judged: Sequence[tuple[Verdict, ProbabilityRange]],
    generators: Sequence[GeneratorAnswer | None],
) -> tuple[FaceDetection, ...]:
    return tuple(
        replace(
            face,
            verdict=verdict,
            probability=square.value,
            low=square.low,
            high=square.high,
            generator=generator,
        )
        for face, (verdict, square), generator in zip(faces, judged, generators, strict=True)
    )
