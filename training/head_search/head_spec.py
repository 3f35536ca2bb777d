"""Define HeadSpec, the hyperparameters of one head, and HeadTrial, the result of its training.

Only this file reads and writes KerasTuner's values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HeadTrial:
    """One row of the leaderboard: hyperparameters, validation loss, validation AUC, epochs up to the best one."""

    values: dict[str, Any]
    loss: float
    auc: float
    epochs: int


def describe_head_spec(values: Mapping[str, Any]) -> str:
    """A trial in words: what it looks at, then what stands on it."""
    layers = f"{values['layers']} x {values['units']}" if values["layers"] else "linear"
    signals = "" if values["signals"] == "picture" else f"{values['signals']} "
    return f"{values['base']} {signals}{values['taps']} {values['statistics']} at {values['sizes']}, {layers}"
