"""Correct the false-alarm cut for pictures of several faces, and state what then holds.

A picture of n photographs of faces is a false alarm if one of them is, so each gets the cut for
1/n of the share (Bonferroni). The faces of a picture share camera, light and file, and Sidak's
weaker correction holds for independent ones only. The miss cut stays: a picture with a generated
face is called real only if each of its faces is, that one included.
"""

import math
from dataclasses import replace

from training.cuts.cut import OwnCut, format_share
from training.cuts.operating_point import Calibration, OperatingPoint
from training.cuts.statement import DetectorStatement, describe_promise
from training.cuts.verdicts import GENERATED

_ROUNDING = 1e-9


def correct_for_faces(
    calibration: Calibration, point: OperatingPoint, n_faces: int
) -> OperatingPoint:
    """Return the point at which a picture of n faces is a false alarm no more often than one face
    is at `point`.

    Its false-alarm cut is the loosest of the calibration's whose target, times n, is at most that
    of the point's; it has no limit if there is none, or if there were too few groups for it.
    """
    share = point.false_alarm_cut.target / n_faces
    strict_enough = [
        cut for cut in calibration.false_alarm_cuts if cut.target <= share * (1 + _ROUNDING)
    ]
    cut = max(
        strict_enough,
        key=lambda cut: cut.target,
        default=replace(point.false_alarm_cut, target=share, limit=None),
    )
    return replace(point, false_alarm_cut=cut)


def state_for_faces(
    statement: DetectorStatement, calibration: Calibration, point: OperatingPoint, n_faces: int
) -> DetectorStatement:
    """Return a statement on single faces as one on pictures of n of them.

    Args:
        statement: on single faces, at the corrected point.
        point: before its correction.
    """
    corrected = correct_for_faces(calibration, point, n_faces)
    false_alarms, misses = describe_promise(corrected, calibration.origin)
    if corrected.false_alarm_cut.limit is None:
        false_alarms = _explain_no_cut(calibration, point, corrected, n_faces)
    elif isinstance(corrected.false_alarm_cut, OwnCut) or calibration.origin != "validation images":
        false_alarms = _describe_pictures(corrected, n_faces)
    return replace(
        statement,
        cuts=(
            f"In a picture of {_describe_counts(calibration, point, n_faces)} faces it answers for "
            f"each of them: {corrected.describe()}"
        ),
        promise=(
            false_alarms,
            misses,
            "A picture of several faces is called real only if each of them is.",
        ),
        # without a cut nothing is found, and nothing called generated or named
        generator_means=statement.generator_means if corrected.generated_above is not None else "",
        strangers=()
        if corrected.generated_above is None
        else tuple(f"Face by face: {sentence}" for sentence in statement.strangers),
    )


def _describe_pictures(point: OperatingPoint, n_faces: int) -> str:
    cut = point.false_alarm_cut
    images = (
        f"the {cut.photographs:,} of calibration “{cut.calibration}”"
        if isinstance(cut, OwnCut)
        else "those of its training"
    )
    return (
        f"Of pictures of {n_faces} faces that are all photographs like {images}, at most "
        f"{format_share(n_faces * cut.target)} on average are called {GENERATED}: at most "
        f"{format_share(cut.target)} of such faces cross its cut ({cut.groups:,} groups)."
    )


def _describe_counts(calibration: Calibration, point: OperatingPoint, n_faces: int) -> str:
    """Return for which numbers of faces the cut is the same as for this one."""
    cut, first = correct_for_faces(calibration, point, n_faces).false_alarm_cut, n_faces
    while first > 2 and correct_for_faces(calibration, point, first - 1).false_alarm_cut == cut:
        first -= 1
    if cut not in calibration.false_alarm_cuts:
        return f"over {_count_reached_faces(calibration, point)}"
    last = math.floor(point.false_alarm_cut.target / cut.target + _ROUNDING)
    return f"{first} to {last}" if first < last else f"{last}"


def _count_reached_faces(calibration: Calibration, point: OperatingPoint) -> int:
    """Return the largest number of faces for which there is a false-alarm cut."""
    strictest = min(cut.target for cut in calibration.false_alarm_cuts)
    return math.floor(point.false_alarm_cut.target / strictest + _ROUNDING)


def _explain_no_cut(
    calibration: Calibration, point: OperatingPoint, corrected: OperatingPoint, n_faces: int
) -> str:
    """Return why no picture of so many faces is called generated."""
    cut, strictest = corrected.false_alarm_cut, calibration.false_alarm_cuts[-1]
    reason = cut.describe_missing("photographs")
    if cut not in calibration.false_alarm_cuts and strictest.limit is not None:
        reason = (
            f"one of so many photographs may cross a cut by chance, and for "
            f"{format_share(point.false_alarm_cut.target)} of such pictures the strictest cut that "
            f"is stored, {format_share(strictest.target)} of faces, is not strict enough"
        )
    counts = _describe_counts(calibration, point, n_faces)
    picture = f"a picture of {counts} faces, whatever they are"
    return f"It never answers {GENERATED} for {picture}: {reason}."
