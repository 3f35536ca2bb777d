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


def print_any_picture_hint(count: int) -> None:
    """Print how to judge the images in which not exactly one face was found."""
    images = "1 image" if count == 1 else f"{count:,} images"
    console.print_message(
        f"In {images} not exactly one face was found. Detectors are trained on single faces, so a "
        "verdict on anything else means little; --any-picture gives one all the same."
    )
