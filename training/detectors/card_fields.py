"""Define the parts of a card: data set, base, search, fine-tuning, baselines, cost."""

from dataclasses import dataclass
from typing import Any

from training.calibration import Scores
from training.cuts.operating_point import Calibration
from training.gain_test import GainTest
from training.head_search.head_spec import HeadSpec


@dataclass(frozen=True)
class DatasetDescription:
    """The data set that a detector was trained on.

    Attributes:
        folder: its path on the machine that trained.
        images: number of accepted images by split and class.
    """

    folder: str
    fingerprint: str
    hold_out_sha256: str
    images: dict[str, dict[str, int]]


@dataclass(frozen=True, kw_only=True)
class BaseDescription:
    """The base of a detector, where its pretrained weights come from, and its inputs.

    Attributes:
        sizes: input sizes in pixels of the extracted features.
    """

    name: str
    origin: str
    sha256: str
    note: str
    sizes: tuple[int, ...]
    signals: tuple[str, ...]


@dataclass(frozen=True)
class SeedScores:
    """Validation loss and AUC with one seed."""

    loss: float
    auc: float


@dataclass(frozen=True)
class BlockChange:
    """The change of one block by fine-tuning.

    Attributes:
        parameters: number of its trainable parameters.
        largest: largest change of one of them.
    """

    block: str
    parameters: int
    largest: float


@dataclass(frozen=True, kw_only=True)
class FinetuningDescription:
    """The fine-tuning of a detector.

    Attributes:
        depth: number of unfrozen blocks, from the top.
        values: hyperparameters of the best trial, as KerasTuner names them.
        repeats: scores with every fresh seed; the first is the saved detector's.
        gain: over the source detector, with its tests.
        accept_other_data: whether the data set may differ from that of the source detector.
    """

    depth: int
    blocks: tuple[str, ...]
    values: dict[str, Any]
    repeats: tuple[SeedScores, ...]
    changes: tuple[BlockChange, ...]
    gain: GainTest
    accept_other_data: bool = False


@dataclass(frozen=True, kw_only=True)
class SearchDescription:
    """The search for the heads of a detector.

    Attributes:
        heads: hyperparameters of every head of the ensemble.
        weights: factor of each head's logit.
        generators: generators with an output of their own, where there were several.
        repeats: scores of the final detector with every seed, where there were several.
        source_detector: name of the detector that was fine-tuned; empty for one that was not.
    """

    tuner: str
    trials: int
    heads: tuple[HeadSpec, ...]
    weights: tuple[float, ...]
    generators: tuple[str, ...] = ()
    repeats: tuple[SeedScores, ...] = ()
    source_detector: str = ""
    finetuning: FinetuningDescription | None = None


@dataclass(frozen=True)
class InferenceCost:
    """Size and speed of one ONNX file.

    Attributes:
        parameters: with those of resizing and preprocessing.
        megabytes: size of the file.
        milliseconds: median time for a single image, with all cores of the machine that trained.
    """

    parameters: int
    megabytes: float
    milliseconds: float


@dataclass(frozen=True)
class BaselineDescription:
    """A baseline: its validation scores and, if it can classify images, its file.

    Attributes:
        file: path of the ONNX file inside the detector's folder; empty if there is none.
    """

    metrics: Scores
    file: str = ""
    calibration: Calibration | None = None
    cost: InferenceCost | None = None
