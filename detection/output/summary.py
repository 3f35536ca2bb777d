"""Print what stands below the results: counts, files without a verdict, what verdicts are worth."""

from collections import Counter
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

    def list_statements_on_faces(self) -> list[DetectorStatement]:
        """Return what answers to images of several faces are worth, the fewest faces first."""
        return [self.statements_on_faces[count] for count in sorted(self.statements_on_faces)]


def list_counts(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the number of images by verdict, those that were not judged last."""
    return [(verdict or NOT_JUDGED, counts[verdict]) for verdict in (*VERDICTS, "")]


def print_counts(counts: Counter[str]) -> None:
    """Print how many images got each verdict, if there are several."""
    if counts.total() > 1:
        parts = [f"{count:,} {name}" for name, count in list_counts(counts)]
        console.print_message(f"{counts.total():,} images:  {', '.join(parts)}.")


def print_statement(totals: Totals, statement: DetectorStatement) -> None:
    """Print what the verdicts are worth, and what is different for images of several faces;
    nothing if there is no verdict.

    Args:
        statement: on images of one face.
    """
    if totals.verdicts.total() == totals.verdicts[""]:
        return
    console.print_message(f"{describe_detector(statement)} This is an opinion, not proof.")
    sentences = dict.fromkeys(statement.list_sentences())
    for several in totals.list_statements_on_faces():
        sentences |= dict.fromkeys((several.cuts, *several.promise))
    for sentence in sentences:
        console.print_message(sentence)


def describe_detector(statement: DetectorStatement) -> str:
    """Return which detector has judged, and why it was taken, in a sentence."""
    reason = f" ({statement.detector_reason})" if statement.detector_reason else ""
    calibration = f", calibration {statement.calibration}" if statement.calibration else ""
    return f"Judged by {statement.detector}{reason}{calibration}."


def describe_any_picture_hint(count: int) -> str:
    """Return how to judge the images in which no face was found."""
    images = "1 image" if count == 1 else f"{count:,} images"
    return (
        f"In {images} no face was found. If one shows a small face, crop the picture to it. "
        "Detectors are trained on single faces, so a verdict on anything else means little; "
        "--any-picture gives one all the same."
    )
