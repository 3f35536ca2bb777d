"""Print results as a table, or as lines if there are many."""

import sys
from collections.abc import Iterable, Iterator

from detection.detections import Detection
from detection.image_paths import ImageListing
from detection.output.faces import describe_box
from detection.output.progress import MAX_TABLE_ROWS, show_progress
from detection.provenance import claims as provenance
from runtime import console
from training.cuts.statement import DetectorStatement


def print_table(
    detections: Iterable[Detection], listing: ImageListing, statement: DetectorStatement
) -> Iterator[Detection]:
    if listing.total > MAX_TABLE_ROWS:
        yield from _print_lines(detections, listing)
        return
    printed: list[Detection] = []
    for detection in detections:
        printed.append(detection)
        yield detection
    columns = [
        "verdict",
        "probability of generated",
        "image",
        *(["why not"] if any(detection.error for detection in printed) else []),
    ]
    rows = [
        row
        for detection in printed
        for row in (
            [*_format_verdict(detection), _format_path(detection, listing), detection.error],
            *([*row, ""] for row in _list_face_rows(detection)),
        )
    ]
    rows = [row[: len(columns)] for row in rows]
    console.print_table(_format_title(listing), columns, rows)
    for detection in printed:
        name = _format_path(detection, listing)
        for note in [
            *([f": {detection.generator.describe()}"] if detection.generator else []),
            *([f": {_describe_similar(detection)}"] if detection.similar else []),
            *(f" ({claim.kind}): {claim.text}" for claim in detection.claims),
            *(f": {warning}" for warning in detection.warnings),
        ]:
            console.out.print(console.sanitise_line(name + note), markup=False, soft_wrap=True)
    if any(detection.claims for detection in printed):
        console.print_message(provenance.CLAIMS_CAVEAT)


def _print_lines(detections: Iterable[Detection], listing: ImageListing) -> Iterator[Detection]:
    if listing.folder:
        print(console.sanitise_line(f"{_format_title(listing)}:"), flush=True)
    # On a terminal the lines themselves show the progress; a bar would appear among them.
    for detection in (
        detections if sys.stdout.isatty() else show_progress(detections, listing.total)
    ):
        verdict, probability = _format_verdict(detection)
        claims = [claim.text for claim in detection.claims]
        generator = [detection.generator.describe()] if detection.generator else []
        similar = [_describe_similar(detection)] if detection.similar else []
        errors = filter(None, [detection.error])
        notes = "; ".join([*errors, *generator, *similar, *detection.warnings, *claims])
        line = f"{verdict:<10}  {probability:<5}  {_format_path(detection, listing)}"
        print(console.sanitise_line(line + (f"  ({notes})" if notes else "")), flush=True)
        for face_verdict, face_probability, place in _list_face_rows(detection):
            print(f"{face_verdict:<12}{face_probability:<5}  {place}", flush=True)
        yield detection


def _describe_similar(detection: Detection) -> str:
    faces = ", ".join(face.describe() for face in detection.similar)
    return f"most similar training faces, the nearest first: {faces}"


def _list_face_rows(detection: Detection) -> list[list[str]]:
    """Return an indented row for each of several faces: verdict, probability, place."""
    faces = detection.faces or ()
    if not detection.verdict or len(faces) + detection.passed_over < 2:
        return []
    return [
        [
            f"  {face.verdict}",
            f"{face.probability:.3f}",
            f"  face {number}: {describe_box(face.box)}",
        ]
        for number, face in enumerate(faces, 1)
    ]


def _format_title(listing: ImageListing) -> str:
    return f"Images in {listing.folder}" if listing.folder else ""


def _format_path(detection: Detection, listing: ImageListing) -> str:
    return console.sanitise_line(str(listing.shorten(detection.path)))


def _format_verdict(detection: Detection) -> list[str]:
    """Return the verdict and the probability of one image."""
    probability = "-" if detection.probability is None else f"{detection.probability:.3f}"
    if detection.at_prevalence is not None:
        probability += f" (at the prevalence: {detection.at_prevalence:.3f})"
    return [detection.verdict or "-", probability]
