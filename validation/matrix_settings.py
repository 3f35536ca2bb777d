"""MatrixSettings: which data set to take apart by source. The docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_collection import options
from training.base_models import BASE_MODELS

Base = Literal[*BASE_MODELS]


@dataclass(frozen=True)
class MatrixSettings:
    """Train a head on each generated source and test it on every other: does it know a generator that it has never seen?

    The base runs once per image; the heads work on its cached features. A run that was interrupted carries on when the same
    command is given again. It opens the hold-out, and counts it.
    """

    dataset: Path | None = None
    """Folder or name of the data set, such as data/faces; without it, the one collected last."""

    leave_one_source_out: bool = False
    """Also leave out each source in turn, photographs included, train on all the others, and test on it."""

    base: Base = "mobilenet_v2"
    """Pretrained base whose features the heads see."""

    size: int = 224
    """Input size in pixels."""

    views: int = 1
    """Views of every training image: a plain one, and others with a random JPEG or rescaling history and a mirror. Tests see \
the plain one."""

    target_fpr: float = 0.05
    """Share of validation photographs that may be called generated; it sets each head's threshold."""

    weights: str = "auto"
    """`auto`: from this machine's caches, else Keras' download, else the package index. `imagenet`: Keras only. \
`package`: package index only. `random`: none, for tests. Or a path to a file or a folder."""

    engine: Literal["auto", "onnxruntime", "keras"] = "auto"
    """What runs the base: ONNX Runtime on a CPU, Keras where there is a GPU."""

    seed: int = 0
    """Of the bootstrap behind the intervals."""

    data: Path = Path("data")
    """Folder of all data sets."""

    logs: Path = Path("logs")
    """Folder for TensorBoard."""

    def __post_init__(self) -> None:
        row = BASE_MODELS[self.base]
        if self.size < row.smallest or self.size > 1024 or self.size % row.multiple:
            raise ValueError(
                f"--size is {self.size}; {self.base} takes multiples of {row.multiple} from {row.smallest} to 1024."
            )
        options.within(self, views=(1, 32), seed=(0, 2**31 - 1))
        if not 0 < self.target_fpr < 0.5:
            raise ValueError(f"--target-fpr is {self.target_fpr}; choose a share between 0 and 0.5.")
