"""Say what was dropped or relabelled of the hold-out, and how to correct its most wrong images."""

import shlex
from collections.abc import Sequence

from data_collection.stored_datasets.corrections import Correction
from validation.report.report import ValidationReport


def describe_corrections(corrections: Sequence[Correction]) -> str:
    """Return how many hold-out images were dropped or relabelled, and how many after a look."""
    count, opened = len(corrections), sum(row.hold_out_openings > 0 for row in corrections)
    return (
        f"{count:,} hold-out image{' was' if count == 1 else 's were'} dropped or relabelled by "
        f"hand, {opened:,} of them after the hold-out had been opened for a validation: figures on "
        "it may be better than on images that nobody chose."
    )


def format_correct_command(report: ValidationReport) -> str:
    """Return the command that drops the most wrong image, as an example; empty where the images
    are those of no data set, or the report names none."""
    images = [image for part in report.most_wrong.values() for image in part]
    if not images or not report.data.is_dataset:
        return ""
    folder, image = shlex.quote(str(report.data.folder)), images[0]
    confirmation = " --change-hold-out" if report.data.hold_out_openings else ""
    return (
        f"python -m data_collection correct {folder} {image.id[:12]} --drop "
        f'--because "a painting"{confirmation}'
    )
