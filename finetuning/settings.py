"""FinetuningSettings: what to start from, how deep to look, how long. The docstrings are the
`--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from runtime import options
from training.accelerators import Precision


@dataclass(frozen=True)
class FinetuningSettings:
    """Search how deep to fine-tune a saved detector, with KerasTuner; keep the detector as it is if
    none of it helps.

    The frozen part of the base runs once per image, view and depth; trials work on the activations
    at its upper end. A search that was interrupted carries on when the same command is given again.
    """

    model: Annotated[Path | None, tyro.conf.Positional] = None
    """Saved detector to start from, by name or folder; without it, the one with the lowest
    validation loss."""

    dataset: Path | None = None
    """Folder or name of the data set; without it, the one that the detector was trained on."""

    max_depth: str = "4"
    """How far down the search may open the base: a number of blocks from the top, or the name of
    the lowest block."""

    trials: int = 8
    """Settings to try: every depth once, then what looks best of depth, learning rate and its
    schedule, weight decay, batch \
size, label smoothing and augmentation."""

    epochs: int = 8
    """Most epochs of one trial after the warm-up."""

    warmup: int = 1
    """Epochs in which the head alone is trained, before blocks are opened."""

    views: int = 2
    """Views of every image: a plain one, and others with a random JPEG or rescaling history and a
    mirror."""

    tuner: Literal["bayesian", "random"] = "bayesian"
    """How KerasTuner searches."""

    repeats: int = 3
    """Seeds that the winner is trained with; a gain inside their spread is noise, and the detector
    is left as it is."""

    precision: Precision = "auto"
    """Number format of unfrozen blocks during training: auto is mixed_bfloat16 on GPUs that
    are fast with it."""

    disk: float = 10
    """Most gigabytes that the activations of one depth may take; with more, training starts from
    the pixels."""

    accept_other_data: bool = False
    """Fine-tune on another data set than the one that the detector was trained on."""

    accept_shortcuts: bool = False
    """Go on although the audit of the data set is RED; every report on the detector then says so
    first."""

    name: str = ""
    """Name of the fine-tuned detector; without it, its parent's name and the time."""

    seed: int = 0
    """Seed of the search and of the first repeat."""

    data: Path = Path("data")
    """Folder of all data sets."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    logs: Path = Path("logs")
    """Folder for TensorBoard."""

    def __post_init__(self) -> None:
        options.check_ranges(
            self, trials=(1, 10_000), epochs=(1, 10_000), warmup=(0, 10_000), views=(1, 32)
        )
        options.check_ranges(self, repeats=(1, 100), seed=(0, 2**31 - 1))
        if not self.disk >= 0:
            raise ValueError(f"--disk is {self.disk}; give gigabytes, 0 or more.")
        options.check_plain_name("name", self.name, such_as="faces-2")
