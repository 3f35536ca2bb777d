"""Print the final detector beside its heads, its baselines and the controls, on the same images.

All rows have the same loss and the same views of the validation images: those in which images are
judged. The search ranks its trials by a loss over all training views, so they have a table of
their own (`head_search.leaderboard`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from training import gain_test
from training.baselines.linear import Baseline
from training.calibration import compute_scores, sigmoid
from training.dataset import Dataset
from training.fitting import LABEL_SMOOTHING

INTERVAL_TAIL = 0.025
"""One-sided level of each limit of a 95% interval."""


OUTCOME_WORDS = {
    "better": "Your detector is ahead of",
    "unclear": "Your detector is level with",
    "worse": "Your detector is behind",
}
"""Nothing stronger is claimed: the images of validation have chosen the heads."""


@dataclass(frozen=True)
class Comparison:
    """A detector, baseline or control beside your detector, on the same images.

    Attributes:
        loss: mean over the images.
        difference: of the loss from your detector's; positive if yours is better.
        margin: from the difference to each limit of its 95% interval.
    """

    name: str
    loss: float
    auc: float
    difference: float
    margin: float

    @property
    def interval(self) -> str:
        low, high = self.difference - self.margin, self.difference + self.margin
        return f"{self.difference:+.4f} ({low:+.4f} to {high:+.4f})"

    @property
    def outcome(self) -> str:
        """Key of OUTCOME_WORDS: how your detector does beside it."""
        if abs(self.difference) > self.margin:
            return "better" if self.difference > 0 else "worse"
        return "unclear"


def print_detector_leaderboard(
    logits: np.ndarray,
    head_logits: Sequence[np.ndarray],
    baselines: Sequence[Baseline],
    validation: Sequence[FaceRecord],
) -> None:
    """Print who is ahead, then the detector, its heads, baselines that see pixels, and controls.

    Args:
        logits, head_logits: of the detector and of each of its heads, calibrated, (images,).
        validation: the images that all logits and probabilities are of.
    """
    own = sigmoid(logits)

    def compare(name: str, probabilities: np.ndarray) -> Comparison:
        return compare_with_own(name, probabilities, own, validation)

    heads = [compare(f"  head {number}", sigmoid(one)) for number, one in enumerate(head_logits, 1)]
    pixel_baselines, controls = (
        sorted(
            (
                compare(row.name, row.probabilities)
                for row in baselines
                if row.uses_pixels == sees_pixels
            ),
            key=lambda row: row.loss,
        )
        for sees_pixels in (True, False)
    )
    if pixel_baselines:
        console.print_message(describe_winner(pixel_baselines[0]))
    n_heads = len(heads)
    yours = compare(f"your detector, {n_heads} heads" if n_heads > 1 else "your detector", own)
    baseline_rows = [replace(row, name=f"baseline: {row.name}") for row in pixel_baselines]
    rows = [*(heads if n_heads > 1 else []), *baseline_rows]
    _print_rows(
        f"Your detector on {len(validation)} validation images, as images are judged",
        [[*_format_row(yours)[:2], "", yours.name], *map(_format_row, rows)],
    )
    if controls:
        _print_rows(
            "Controls see the file or nothing, not the image: they are no baselines",
            list(map(_format_row, controls)),
        )


def compare_with_own(
    name: str, probabilities: np.ndarray, own: np.ndarray, validation: Sequence[FaceRecord]
) -> Comparison:
    """Compare probabilities of the validation images with those of your detector, `own`."""
    labels = Dataset.encode_labels(validation)
    groups = [record.group for record in validation]
    losses = gain_test.compute_image_losses(probabilities, labels)
    differences = losses - gain_test.compute_image_losses(own, labels)
    return Comparison(
        name=name,
        loss=float(losses.mean()),
        auc=compute_scores(probabilities, labels).auc,
        difference=float(differences.mean()),
        margin=gain_test.compute_difference_margin(differences, labels, groups, INTERVAL_TAIL),
    )


def describe_winner(best: Comparison) -> str:
    """Return whether your detector is ahead of the best baseline, with the paired interval."""
    return (
        f"{OUTCOME_WORDS[best.outcome]} “{best.name}”, the best baseline that sees pixels: its "
        f"loss minus yours is {best.interval}, a 95% interval. These images have chosen your "
        "heads; the hold-out decides: python -m validation."
    )


def _format_row(row: Comparison) -> list[str]:
    return [f"{row.loss:.4f}", f"{row.auc:.4f}", row.interval, row.name]


def _print_rows(title: str, rows: Sequence[Sequence[str]]) -> None:
    loss = f"loss (smoothing {LABEL_SMOOTHING})"
    console.print_table(title, [loss, "AUC", "loss minus yours, 95%", "name"], rows)
