"""Print the final detector beside its heads, its baselines and the controls, on the same images.

All rows have the same loss and the same views of the validation images: those in which images are
judged. The search ranks its trials by a loss over all training views, so they have a table of
their own (`head_search.leaderboard`).
"""

from collections.abc import Sequence

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from training import gain_test
from training.baselines.linear import Baseline
from training.calibration import compute_scores, sigmoid
from training.dataset import Dataset
from training.final_detector.final_detector import FinalDetector
from training.fitting import LABEL_SMOOTHING

INTERVAL_TAIL = 0.025
"""One-sided level of each limit of a 95% interval."""


def print_detector_leaderboard(
    detector: FinalDetector,
    baselines: Sequence[Baseline],
    validation: Sequence[FaceRecord],
) -> None:
    """Print the detector first, then its heads, baselines that see pixels, and controls.

    Args:
        validation: the images that all probabilities are of.
    """
    labels = Dataset.encode_labels(validation)
    groups = [record.group for record in validation]
    own = sigmoid(detector.logits)
    own_losses = gain_test.compute_image_losses(own, labels)

    def format_row(name: str, probabilities: np.ndarray) -> list[str]:
        losses = gain_test.compute_image_losses(probabilities, labels)
        margin = gain_test.compute_difference_margin(
            losses - own_losses, labels, groups, INTERVAL_TAIL
        )
        difference = float((losses - own_losses).mean())
        limits = f"{difference:+.4f} ({difference - margin:+.4f} to {difference + margin:+.4f})"
        auc = compute_scores(probabilities, labels).auc
        return [name, f"{losses.mean():.4f}", f"{auc:.4f}", limits]

    n_heads = len(detector.heads)
    heads = [
        (f"  head {number}", sigmoid(head.logits)) for number, head in enumerate(detector.heads, 1)
    ]
    title = f"your detector, {n_heads} heads" if n_heads > 1 else "your detector"
    rows = [[*format_row(title, own)[:3], ""]]
    rows += [format_row(*head) for head in heads] if n_heads > 1 else []
    for is_rival, kind in ((True, "baseline"), (False, "control")):
        group = [row for row in baselines if row.uses_pixels == is_rival]
        group.sort(key=lambda row: gain_test.compute_image_losses(row.probabilities, labels).mean())
        rows += [format_row(f"{kind}: {row.name}", row.probabilities) for row in group]
    console.print_table(
        f"Your detector on {len(labels)} validation images, as images are judged",
        ["", f"loss (smoothing {LABEL_SMOOTHING})", "AUC", "loss more than yours, 95% interval"],
        rows,
    )
    console.print_message("Controls see the file or nothing, not the image: they are no baselines.")
