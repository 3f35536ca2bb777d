"""The leaderboard of a search over depth, as people see it."""

from collections.abc import Sequence

from finetuning.depth_search import DepthSearchResult
from finetuning.depth_training import DepthTrial
from finetuning.unfreezing import Block
from runtime import console
from training.fitting import LABEL_SMOOTHING
from training.seed_spread import SeedSpread

DEPTH_TABLE_COLUMNS = (
    "depth",
    "rate",
    "schedule",
    "decay",
    "batch",
    "smoothing",
    "augmentation",
    "trained numbers",
    "val AUC",
    "val loss",
)


def print_depth_leaderboard(outcome: DepthSearchResult, found: Sequence[Block]) -> None:
    """Prints depth 0 and every trial, ranked by validation loss, and the repeats' mean and spread.

    Args:
        found: all blocks of the base, from the top down.
    """
    ranked = sorted([outcome.before, *outcome.trials], key=lambda tuned: tuned.loss)
    title = f"Leaderboard: depth of fine-tuning, validation loss after calibration (smoothing {LABEL_SMOOTHING})"
    console.print_table(
        title, DEPTH_TABLE_COLUMNS, [_format_depth_trial(tuned, found) for tuned in ranked]
    )
    auc = SeedSpread(tuple(tuned.auc for tuned in outcome.repeats))
    console.print_message(
        f"The best trial with {len(outcome.repeats)} seeds: loss {outcome.loss}, AUC {auc}."
    )
    moved = ", ".join(f"{one.block} by {one.largest:.1e}" for one in outcome.repeats[0].moved)
    console.print_message(
        f"Largest change of a weight in each opened block: {moved}. Nothing else of the base has moved."
    )


def _format_depth_trial(tuned: DepthTrial, found: Sequence[Block]) -> list[str]:
    scores = [f"{tuned.trainable:,}", f"{tuned.auc:.4f}", f"{tuned.loss:.4f}"]
    if not tuned.depth:
        return ["0: as it was", *[""] * (len(DEPTH_TABLE_COLUMNS) - 4), *scores]
    values = tuned.values
    return [
        f"{tuned.depth}: down to {found[tuned.depth - 1].name}",
        f"{values['learning_rate']:.1e}",
        values["schedule"],
        f"{values['weight_decay']:.0e}",
        str(values["batch_size"]),
        f"{values['label_smoothing']:g}",
        values["augmentation"],
        *scores,
    ]
