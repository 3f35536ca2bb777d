"""Print what stands below the results: counts, files without a verdict, what verdicts are worth."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from detection.detections import Detection
from runtime import console
from training.cuts.statement import DetectorStatement
from training.cuts.verdicts import NOT_JUDGED, VERDICTS

MAX_NAMED_FILES = 5


@dataclass
class NotJudged:
    """Files without a verdict, and all files; the first MAX_NAMED_FILES are named."""

    count: int = 0
    total: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, detection: Detection) -> None:
        """Count a detection."""
        self.total += 1
        if not detection.error:
            return
        self.count += 1
        if self.count <= MAX_NAMED_FILES:
            self.named.append(f"{detection.path}: {detection.error}")

    def print_list(self) -> None:
        """Print how many files were not judged, and why; nothing if there is none."""
        if not self.count:
            return
        more = [f"and {self.count - MAX_NAMED_FILES:,} more"] * (self.count > MAX_NAMED_FILES)
        console.print_warning(
            f"{self.count:,} of {self.total:,} files were {NOT_JUDGED}. "
            + "; ".join(map(console.sanitise_line, [*self.named, *more]))
        )


@dataclass
class Totals:
    """Sums of a run over its images.

    Attributes:
        verdicts: number of images by verdict.
        without_face: number of images in which no face was found.
        statements_on_faces: what answers are worth, by the number of faces where it is several.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    not_judged: NotJudged = field(default_factory=NotJudged)
    without_face: int = 0
    statements_on_faces: dict[int, DetectorStatement] = field(default_factory=dict)

    def add(self, detection: Detection) -> None:
        """Count a detection."""
        self.verdicts[detection.verdict] += 1
        self.not_judged.add(detection)
        self.without_face += detection.faces == ()
        if detection.statement:
            self.statements_on_faces[len(detection.faces)] = detection.statement


def print_counts(counts: Counter[str]) -> None:
    """Print how many images got each verdict, if there are several."""
    if counts.total() > 1:
        parts = [f"{counts[verdict]:,} {verdict or NOT_JUDGED}" for verdict in (*VERDICTS, "")]
        console.print_message(f"{counts.total():,} images:  {', '.join(parts)}.")


def print_statement(counts: Counter[str], statement: DetectorStatement) -> None:
    """Print what the verdicts are worth; nothing if there is none."""
    if counts.total() > counts[""]:
        reason = f" ({statement.detector_reason})" if statement.detector_reason else ""
        calibration = f", calibration {statement.calibration}" if statement.calibration else ""
        console.print_message(
            f"Judged by {statement.detector}{reason}{calibration}. This is an opinion, not proof."
        )
        for sentence in statement.list_sentences():
            console.print_message(sentence)


def print_statements_on_faces(
    statements: Mapping[int, DetectorStatement], statement: DetectorStatement
) -> None:
    """Print what is different for images of several faces.

    Args:
        statements: on them, by the number of their faces.
        statement: on images of one face, printed already.
    """
    printed = {*statement.promise}
    for n_faces in sorted(statements):
        for sentence in (statements[n_faces].cuts, *statements[n_faces].promise):
            if sentence not in printed:
                console.print_message(sentence)
                printed.add(sentence)


def print_any_picture_hint(count: int) -> None:
    """Print how to judge the images in which no face was found."""
    images = "1 image" if count == 1 else f"{count:,} images"
    console.print_message(
        f"In {images} no face was found. Detectors are trained on single faces, so a verdict on "
        "anything else means little; --any-picture gives one all the same."
    )
