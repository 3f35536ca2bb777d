"""State what a detector's answers are worth: the cuts, what they promise, sources left out."""

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.terminal.counting import format_count
from training.cuts.cut import Cut, OwnCut, format_share
from training.cuts.left_out import (
    LeftOutSource,
    count_left_out_answers,
    describe_left_out_answers,
    describe_precision,
)
from training.cuts.operating_point import Calibration, CutOrigin, OperatingPoint
from training.cuts.verdicts import GENERATED, REAL, REAL_EXPLANATION

DEFAULT_PREVALENCE = 0.01

PROBABILITY_EXPLANATION = "Probabilities are as if half of all images were generated."


@dataclass(frozen=True, kw_only=True)
class DetectorStatement:
    """The sentences and numbers that must stand beside every answer.

    Attributes:
        detector: its name.
        detector_reason: why it was taken, to stand in brackets after its name; empty if it was not
            chosen by a command.
        calibration: name of the user's own calibration that set its false-alarm cut; empty if it
            has the detector's.
        real_below, generated_above: the cuts; None where an answer is never given.
        cuts: the same in a sentence.
        promise: what the cuts hold for images like the collected ones, in sentences.
        strangers: its answers to sources that it was not trained on, in sentences.
        banner: first sentence of every report; empty if there is nothing to warn of.
        generator_means: what the name of a generator is worth; empty if it names none.
    """

    detector: str
    calibration: str
    real_below: float | None
    generated_above: float | None
    cuts: str
    promise: tuple[str, ...]
    strangers: tuple[str, ...]
    banner: str
    detector_reason: str = ""
    generator_means: str = ""

    def list_sentences(self) -> list[str]:
        """Return everything but the banner, in the order of reading."""
        explanations = PROBABILITY_EXPLANATION, REAL_EXPLANATION
        named = [self.generator_means] if self.generator_means else []
        return [self.cuts, *self.promise, *self.strangers, *named, *explanations]


def make_statement(
    detector: str,
    calibration: Calibration,
    point: OperatingPoint,
    left_out: Sequence[LeftOutSource],
    banner: str = "",
    prevalence: float = DEFAULT_PREVALENCE,
) -> DetectorStatement:
    """Return the statement on a detector at one operating point.

    Args:
        prevalence: share of generated images for which the worth of an alarm is stated.
    """
    counts = count_left_out_answers(left_out, calibration, point)
    return DetectorStatement(
        detector=detector,
        calibration=point.own_calibration,
        real_below=point.real_below,
        generated_above=point.generated_above,
        cuts=f"It answers {point.describe()}",
        promise=describe_promise(point, calibration.origin),
        strangers=(*describe_left_out_answers(counts), *describe_precision(counts, prevalence)),
        banner=banner,
    )


def describe_promise(point: OperatingPoint, origin: CutOrigin) -> tuple[str, ...]:
    """Return what the cuts hold for images like those that set them."""
    sentences = []
    for cut, images, answer, is_raised in (
        (point.false_alarm_cut, "photographs", GENERATED, origin == "sources left out"),
        (point.miss_cut, "generated images", REAL, False),
    ):
        if isinstance(cut, OwnCut):
            sentences.append(_describe_own_cut(cut, point))
        elif cut.limit is None:
            sentences.append(f"It never answers {answer}: {cut.describe_missing(images)}.")
        elif origin == "validation images":
            sentences.append(
                f"Its cut for {images} was set on the images that also chose the detector, so how "
                "many cross it is not known."
            )
        else:
            sentences.append(_describe_cut(cut, images, answer, is_raised))
    return tuple(sentences)


def _describe_own_cut(cut: OwnCut, point: OperatingPoint) -> str:
    name = f"calibration “{cut.calibration}”"
    if cut.limit is None:
        return f"It never answers generated: {name} has {cut.describe_missing('photographs')}."
    share = _describe_share(cut, is_raised=point.generated_above > cut.limit)
    return (
        f"Of photographs like the {cut.photographs:,} of {name}, {share}, are called generated "
        f"({format_count(cut.groups, 'group')})."
    )


def _describe_cut(cut: Cut, images: str, answer: str, is_raised: bool) -> str:
    return (
        f"Of {images} like those of its training, {_describe_share(cut, is_raised)}, are called "
        f"{answer} ({format_count(cut.groups, 'group')})."
    )


def _describe_share(cut: Cut, is_raised: bool) -> str:
    """Return the share that crosses a cut, or less where a higher one decides."""
    return f"at most {format_share(cut.target)} on average" if is_raised else cut.describe_share()
