"""Print the leaderboard of a search over depth."""

from collections.abc import Sequence

from finetuning.depth_search import DepthSearchResult
from finetuning.depth_training import DepthTrial
from finetuning.unfreezing import Block
from runtime import console
from runtime.terminal.counting import format_count
from training.final_detector.seed_comparison import SeedSpread
from training.fitting import LABEL_SMOOTHING

DEPTH_TABLE_COLUMNS = (
    "depth",
    "method",
    "learning rate",
    "schedule",
    "weight decay",
    "batch",
    "smoothing",
    "augmentation",
    "trainable params",
    "val AUC",
    "val loss",
)


def print_depth_leaderboard(result: DepthSearchResult, blocks: Sequence[Block]) -> None:
    """Print depth 0 and every trial by validation loss, and mean and spread of the repeats.

    Args:
        blocks: all blocks of the base, from the top down.
    """
    ranked = sorted([result.source, *result.trials], key=lambda trial: trial.loss)
    console.print_table(
        "Leaderboard: depth of fine-tuning, validation loss after calibration "
        f"(smoothing {LABEL_SMOOTHING})",
        DEPTH_TABLE_COLUMNS,
        [_format_depth_trial(trial, blocks) for trial in ranked],
    )
    auc_spread = SeedSpread(tuple(trial.auc for trial in result.repeats))
    console.print_message(
        f"The best trial with {format_count(len(result.repeats), 'fresh seed')}: loss "
        f"{result.loss}, AUC {auc_spread}."
    )
    changes = ", ".join(
        f"{change.block} by {change.largest:.1e}" for change in result.repeats[0].changes
    )
    console.print_message(
        f"Largest weight change per unfrozen block: {changes}. All frozen weights are unchanged."
    )


def _format_depth_trial(trial: DepthTrial, blocks: Sequence[Block]) -> list[str]:
    scores = [f"{trial.trainable_parameters:,}", f"{trial.auc:.4f}", f"{trial.loss:.4f}"]
    if not trial.depth:
        return ["0: unchanged", *[""] * (len(DEPTH_TABLE_COLUMNS) - 4), *scores]
    values = trial.values
    return [
        f"{trial.depth}: down to {blocks[trial.depth - 1].name}",
        values["method"],
        f"{values['learning_rate']:.1e}",
        values["schedule"],
        f"{values['weight_decay']:.0e}",
        str(values["batch_size"]),
        f"{values['label_smoothing']:g}",
        values["augmentation"],
        *scores,
    ]
