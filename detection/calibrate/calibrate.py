"""Set false-alarm cuts with photographs of one's own, print their price, and save them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from data_collection.images import canonical
from detection import own_calibration
from detection.calibrate.photographs import KNOWN, JudgedPhotographs, judge_photographs
from detection.calibrate.settings import CalibrateSettings
from detection.models.answering import choose_detector
from detection.own_calibration import OwnCalibration
from detection.predictor import Detector
from runtime import console
from runtime.commands import missing_packages
from training.cuts.cut import Cut, choose_cut, format_share
from training.cuts.left_out import count_left_out_answers, pool_generated_share
from training.cuts.operating_point import OperatingPoint
from training.detectors import ready_detectors, saved_models
from training.detectors.card import Card, make_timestamp

EXIT_SOME_UNUSED = 1


def calibrate_with_photographs(settings: CalibrateSettings) -> int:
    """Set and save the false-alarm cuts of a detector for photographs like those of a folder.

    Returns:
        The exit code: 0, or 1 if files were not judged or refused.

    Raises:
        PlainError: there is no detector or no folder, the name is taken, or the photographs set no
            cut.
    """
    missing_packages.require_packages("scipy", "imagehash")
    answering = choose_detector(settings.saved_models, settings.model)
    answering.announce()
    folder = answering.folder
    detector = Detector.load(folder, settings.any_picture)
    path = own_calibration.choose_free_path(folder, settings.calibration_name)
    photographs = judge_photographs(settings.folder, detector)
    _print_unused(photographs)
    if photographs.unchecked_reason:
        console.print_warning(
            f"{photographs.unchecked_reason}, so it could not be checked whether it was trained on "
            "some of these photographs."
        )
    cuts = _choose_cuts(photographs, detector.card)
    _check_cuts(cuts, photographs, settings.folder)
    calibration = _describe_calibration(settings, detector.card, photographs, cuts)
    own_calibration.write_own_calibration(path, calibration)
    _print_calibration(calibration, detector.card)
    model = folder.name if ready_detectors.is_ready_detector(folder) else folder
    console.print_message(
        f"Saved {path}. To use it: python -m detection photo.jpg --model {model} --calibration "
        f"{calibration.name}"
    )
    kinds = photographs.count_unused().keys()
    return EXIT_SOME_UNUSED if kinds - {"copies of another file"} else 0


def _print_unused(photographs: JudgedPhotographs) -> None:
    for kind, count in photographs.count_unused().items():
        first = next(unused for unused in photographs.unused if unused.kind == kind)
        console.print_warning(
            console.sanitise_line(
                f"Not used, {kind}: {count:,} {'file' if count == 1 else 'files'} "
                f"(such as {first.file}: {first.reason})."
            )
        )


def _choose_cuts(photographs: JudgedPhotographs, card: Card) -> tuple[Cut, ...]:
    return tuple(
        choose_cut(photographs.logits, photographs.groups, cut.target)
        for cut in card.calibration.false_alarm_cuts
    )


def _check_cuts(cuts: tuple[Cut, ...], photographs: JudgedPhotographs, folder: Path) -> None:
    """Raise PlainError if no target has a cut, or the detector does not tell photographs apart."""
    if cuts[0].limit is None:
        n_known = photographs.count_unused().get(KNOWN, 0)
        known = f" ({n_known:,} more are known from training)" if n_known else ""
        raise console.PlainError(
            f"{folder} sets {cuts[0].describe_missing('photographs')}{known}. Add photographs; "
            "near-duplicates count once.",
            console.EXIT_LEAK if n_known else console.EXIT_USAGE,
        )
    if np.ptp(photographs.logits) == 0:
        raise console.PlainError(
            f"The detector gives all {len(photographs.groups):,} photographs of {folder} the same "
            "probability, so they set no cut. Use another detector."
        )


def _describe_calibration(
    settings: CalibrateSettings,
    card: Card,
    photographs: JudgedPhotographs,
    cuts: tuple[Cut, ...],
) -> OwnCalibration:
    return OwnCalibration(
        name=settings.calibration_name,
        created=make_timestamp(),
        folder=settings.folder.resolve().name,
        detector_sha256=card.sha256[saved_models.ONNX_FILE],
        canonicaliser=canonical.CANONICALISER_VERSION,
        qualities=card.qualities,
        any_picture=settings.any_picture,
        photographs=len(photographs.groups),
        unused=photographs.count_unused(),
        cuts=cuts,
    )


def _print_calibration(calibration: OwnCalibration, card: Card) -> None:
    """Print every cut beside the card's own, and what it costs."""
    rows, prices = [], []
    for cut, old in zip(calibration.make_cuts(), card.calibration.false_alarm_cuts, strict=True):
        if cut.limit is None:
            console.print_message(f"{calibration.name}: {cut.describe_missing('photographs')}.")
            continue
        before = replace(card.calibration.point, false_alarm_cut=old)
        after = replace(before, false_alarm_cut=cut)
        rows.append(
            [format_share(cut.target), *map(_format_limit, (after, before)), cut.describe_share()]
        )
        prices.append(describe_price(card, before, after))
    console.print_table(
        f"{calibration.photographs:,} photographs, {calibration.cuts[0].groups:,} groups",
        ["target", "generated from", "before", "photographs like these called generated"],
        rows,
    )
    for price in dict.fromkeys(prices):
        console.print_message(price)


def _format_limit(point: OperatingPoint) -> str:
    return "never" if point.generated_above is None else f"{point.generated_above:.3f}"


def describe_price(card: Card, before: OperatingPoint, after: OperatingPoint) -> str:
    """Return how many images of generators left out are found after the change of the cut."""
    generators = [source for source in card.left_out if source.label]
    if not generators:
        return (
            "How many generated images it then misses is not known: no generator was left out of "
            "its training. Judge generated images of yours with --calibration to count them."
        )
    old, new = (
        pool_generated_share(count_left_out_answers(generators, card.calibration, point))
        for point in (before, after)
    )
    return (
        f"Of generators it was not trained on it then finds {new:.0%} instead of {old:.0%} (cut at "
        f"{format_share(after.false_alarm_cut.target)})."
    )
