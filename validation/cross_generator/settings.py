"""CrossGeneratorSettings; the attribute docstrings are the `--help` texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_collection.images import canonical
from runtime import options
from runtime.command_lines.option_groups import Advanced, Basic, Cluster, Folders
from runtime.commands import workspace
from training.bases.base_models import BASE_MODELS
from training.bases.input_signals import SIGNALS

BaseName = Literal[*BASE_MODELS]
SignalName = Literal[*SIGNALS]
TapSetName = Literal["all", "early", "middle", "late", "every third", "top"]
HeadKind = Literal["logistic", "ridge", "ridge-per-generator", "search"]


@dataclass(frozen=True, kw_only=True)
class CrossGeneratorSettings:
    """Train a head on each generated source and test it on every other one: does it recognise a
    generator that it has never seen?

    The base runs once per image; the heads work on its cached features. An interrupted run resumes
    when the same command is given again. It opens the hold-out, and counts it.

    Examples:
        python -m validation cross-generator --dataset data/faces
        python -m validation cross-generator --base clip_vit_b16 --head ridge
    """

    dataset: Basic[Path | None] = None
    """Folder or name of the data set, such as data/faces; by default, the one collected last."""

    leave_one_source_out: Basic[bool] = False
    """Also leave out each source in turn, photographs included, train on all the others, and test \
on it."""

    base: Basic[BaseName] = "mobilenet_v2"
    """Pretrained base whose features the heads use."""

    size: Basic[int] = 224
    """Input size in pixels."""

    views: Advanced[int] = 1
    """Views of every training image: a plain one, and others with a random JPEG or rescaling \
history and a mirror."""

    test_views: Advanced[int] = 0
    """Views of every tested image, whose logits are averaged: so many of those that training \
draws, the plain one first. 0: the JPEG qualities at which detection judges an image."""

    signals: Advanced[tuple[SignalName, ...]] = ("picture",)
    """Input of the base: the picture, its noise residual (the picture minus a blurred copy), or \
both, one after the other."""

    taps: Advanced[TapSetName] = "all"
    """Layers of the base that the heads use."""

    head: Basic[HeadKind] = "logistic"
    """Logistic regression; ridge regression; one ridge regression per generator, of which the \
most confident decides; or the search and ensemble of `python -m training`."""

    strength: Advanced[float] = 1.0
    """Ridge penalty multiplier; 10 regularises more, 0.1 less."""

    balance: Advanced[Literal["class", "source"]] = "source"
    """Sample weights of ridge regression: equal per class, or per source within each class."""

    folds: Advanced[int] = 0
    """Folds of the training and validation images, by group: each fold is scored by a head that \
was not trained on it, and all scores together set the threshold. 0: the validation images alone \
set it."""

    history_control: Advanced[bool] = False
    """Also reprocess photographs to the size and JPEG quality of each generated source, and \
generated images to those of each real one: a head that recognises faces and not files gives the \
same answers. Needs --leave-one-source-out."""

    target_fpr: Advanced[float] = 0.05
    """False-positive rate that sets each head's threshold on validation photographs."""

    weights: Advanced[str] = "auto"
    """`auto`: from this machine's caches, else Keras' download, else the package index. \
`imagenet`: Keras only. `package`: package index only. `random`: none, for tests. Or a path to a \
file or a folder."""

    engine: Cluster[Literal["auto", "onnxruntime", "keras", "ray"]] = "auto"
    """Runtime of the base. `auto`: ONNX Runtime on a CPU, Keras on a GPU; `ray`: ONNX Runtime on \
every core of a Ray cluster."""

    seed: Advanced[int] = 0
    """Random seed of the bootstrap behind the intervals."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""

    logs: Folders[Path] = workspace.LOGS_FOLDER
    """Folder for TensorBoard."""

    def list_tested_views(self) -> Sequence[int]:
        """Return the views in which an image is scored."""
        return range(self.test_views) if self.test_views else canonical.list_judgement_views()

    def __post_init__(self) -> None:
        base = BASE_MODELS[self.base]
        base.check_size("--size is", self.size)
        if base.select_signals(self.signals) != self.signals:
            raise ValueError(f"--signals has residual; {self.base} takes {' '.join(base.signals)}.")
        options.check_ranges(
            self, views=(1, 32), test_views=(0, 32), seed=(0, 2**31 - 1), folds=(0, 20)
        )
        options.check_unique_values("signals", self.signals, "signal")
        if self.history_control and not self.leave_one_source_out:
            raise ValueError(
                "--history-control needs heads that have not seen a source; add "
                "--leave-one-source-out."
            )
        if self.folds == 1:
            raise ValueError("--folds is 1; take 0 for none, or 2 to 20.")
        if self.head == "search" and self.taps != "all":
            raise ValueError("--head search chooses its taps itself; leave --taps out.")
        if not 0 < self.strength < float("inf"):
            raise ValueError(f"--strength is {self.strength}; choose a number above 0.")
        if not 0 < self.target_fpr < 0.5:
            raise ValueError(
                f"--target-fpr is {self.target_fpr}; choose a share between 0 and 0.5."
            )
