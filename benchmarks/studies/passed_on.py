"""Pass on a detector's hold-out, or pictures of yours, as messengers and networks do: `python -m
benchmarks.studies.passed_on --model saved_models/telltale-faces --dataset data/telltale-faces`.

It is the section “Passed on” of a validation's report alone, which takes minutes: for every chain
of `validation/sharing/chains.py` a row with the shares called generated and the shares of pictures
whose answer changes, by direction, with 95% intervals. It prints a Markdown table.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.measuring import render_markdown_table
from training.detectors import card as detector_card
from validation import predictions
from validation.data.choose_images import choose_evaluation_set
from validation.metrics.scored_images import ScoredImages
from validation.settings import ValidationSettings
from validation.sharing.results import SharingResult, SharingSummary, measure_sharing
from validation.sharing.sentences import DIRECTIONS, describe_sharing, format_share

COLUMNS = (
    "what is done",
    "sizes and qualities",
    "shrunk",
    "enlarged",
    "generated called generated",
    "photographs called generated",
    "answer changes",
    *DIRECTIONS.values(),
)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Pass on pictures and count the answers that change."""

    model: Path
    """Folder of a saved detector."""

    dataset: Path | None = None
    """The data set that it was trained on, for its hold-out."""

    data: Path | None = None
    """A folder with the subfolders `real` and `generated`, instead of the hold-out; pictures of the
    training are left out."""

    images: int = 240
    """Pictures to pass on, half of each class if possible."""


def main(settings: StudySettings) -> None:
    card = detector_card.read_card(settings.model)
    scorer = predictions.load_scorers(settings.model, card)[0]
    chosen = ValidationSettings(
        model=settings.model, dataset=settings.dataset, data=settings.data, drop_known=True
    )
    data = choose_evaluation_set(chosen, card)
    calibration = scorer.calibration
    unscored = np.zeros(len(data.records))
    labelled = ScoredImages.from_records(
        data.records, unscored, calibration.threshold, calibration.point
    )
    summary = measure_sharing(data.folder, data.records, labelled, scorer, settings.images)
    print(render_summary(summary))
    for sentence in describe_sharing(summary):
        print(sentence)


def render_summary(summary: SharingSummary) -> str:
    as_they_are = [
        summary.unshared.name,
        *[""] * 3,
        format_share(summary.unshared.found),
        format_share(summary.unshared.false_alarms),
        *[""] * (1 + len(DIRECTIONS)),
    ]
    rows = [as_they_are, *(_render_row(chain) for chain in summary.chains)]
    return render_markdown_table(COLUMNS, rows)


def _render_row(chain: SharingResult) -> list[str]:
    shares = [chain.metrics.found, chain.metrics.false_alarms, chain.changes.any]
    shares += [getattr(chain.changes, name) for name in DIRECTIONS]
    sizes = [f"{chain.shrunk:,}", f"{chain.enlarged:,}"]
    return [chain.name, chain.basis, *sizes, *map(format_share, shares)]


if __name__ == "__main__":
    main(tyro.cli(StudySettings))
