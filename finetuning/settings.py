"""FinetuningSettings: the source detector, the depth and the length of the search. The docstrings
are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from finetuning.tuning_methods import TUNING_METHODS
from runtime import options
from runtime.command_lines.option_groups import Advanced, Basic, Cluster, Folders, Metavar
from runtime.commands import workspace
from training.accelerators import Precision

MethodName = Literal[*TUNING_METHODS]


@dataclass(frozen=True, kw_only=True)
class FinetuningSettings:
    """Search how deep to fine-tune a saved detector, with KerasTuner; save a new detector only if
    that helps.

    The frozen part of the base runs once per image, view and depth; trials train on the activations
    at its upper end. An interrupted search resumes when the same command is given again.

    Examples:
        python -m finetuning
        python -m finetuning --model faces-1 --max-depth 2 --trials 4
    """

    model: Basic[Path | None] = None
    """Name or folder of the saved detector to start from, or of a data set for the newest \
detector trained on it; without it, the one with the lowest validation loss on the data set of \
your newest."""

    dataset: Basic[Path | None] = None
    """Folder or name of the data set; without it, the one that the detector was trained on. A \
detector that comes with Telltale needs one of yours."""

    max_depth: Basic[Annotated[str, Metavar("DEPTH")]] = "4"
    """How deep the search may unfreeze the base: a number of blocks from the top, or the name of \
the lowest block."""

    methods: Advanced[tuple[MethodName, ...]] = ()
    """Which weights of unfrozen blocks the search may tune: `blocks` (all), `norms` (gains and \
offsets of the normalisations), `lora` (small matrices beside those of the dense layers). Default: \
all that the base takes; norms and lora need a vision transformer."""

    trials: Basic[int] = 8
    """Number of trials: every depth and method once, then the most promising ones, with their \
learning rates and schedules, weight decays, batch sizes, label smoothing and augmentation."""

    epochs: Advanced[int] = 8
    """Largest number of epochs of one trial after the warm-up."""

    warmup: Advanced[int] = 1
    """Epochs in which only the heads are trained, before blocks are unfrozen."""

    views: Advanced[int] = 2
    """Views of every image: the plain one, and others with a random JPEG or rescaling history and \
mirroring."""

    tuner: Advanced[Literal["bayesian", "random"]] = "bayesian"
    """How KerasTuner searches."""

    repeats: Advanced[int] = 3
    """Number of fresh seeds that the best trial is trained with. A detector is saved if there are \
at least 3, and tests over seeds and over images both find a gain (one-sided 5%)."""

    precision: Cluster[Precision] = "auto"
    """Number format of unfrozen blocks during training: auto is mixed_bfloat16 on GPUs that are \
fast with it."""

    disk: Cluster[float] = 10
    """Largest size of the activations of one depth, in gigabytes; above it, training starts from \
the pixels."""

    accept_other_data: Advanced[bool] = False
    """Fine-tune on a data set other than the one that the detector was trained on; not needed for \
a detector that comes with Telltale."""

    accept_shortcuts: Advanced[bool] = False
    """Continue although the audit of the data set is RED; every report on the detector then \
begins with that warning."""

    name: Basic[str] = ""
    """Name of the fine-tuned detector; without it, the source detector's name with "-tuned" and \
the time."""

    seed: Advanced[int] = 0
    """Seed of the search; the repeats take the seeds that follow."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    logs: Folders[Path] = workspace.LOGS_FOLDER
    """Folder for TensorBoard."""

    def __post_init__(self) -> None:
        options.check_ranges(
            self, trials=(1, 10_000), epochs=(1, 10_000), warmup=(0, 10_000), views=(1, 32)
        )
        options.check_ranges(self, repeats=(1, 100), seed=(0, 2**31 - 1))
        if not self.disk >= 0:
            raise ValueError(f"--disk is {self.disk}; give a number of gigabytes, 0 or more.")
        if self.methods:
            options.check_unique_values("methods", self.methods, "method")
        options.check_plain_name("name", self.name, such_as="faces-2")
