"""Fit the baselines that a search must beat, on the same split.

They are the majority class, the file's metadata, and logistic regression on the features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from training.calibration import convert_to_logits, sigmoid
from training.features.column_selection import compute_column_indices, select_columns
from training.features.training_features import TrainingFeatures, iterate_blocks

if TYPE_CHECKING:
    import keras

MAX_LOGISTIC_IMAGES = 20_000
"""Training images for logistic regression; with more it takes hours and gives the same result."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A baseline's scores, and its weights where it is linear in the features.

    Attributes:
        name: as in the leaderboard.
        logits: of the validation images as judged, shape (images, qualities); one column for
            baselines that do not look at pixels.
        weights, bias: of the logit over all of the base's features, shape (width,); None for
            baselines that are not linear in them.
        base: the base whose features it uses, for a linear baseline; else empty.
        model: from pixels of the detector's side to probabilities, for a model trained from
            scratch; else None.
    """

    name: str
    logits: np.ndarray
    weights: np.ndarray | None = None
    bias: float = 0.0
    base: str = ""
    model: "keras.Model | None" = None

    @property
    def probabilities(self) -> np.ndarray:
        """Return the probabilities of *generated* at each image's mean logit, shape (images,)."""
        return sigmoid(self.logits.mean(axis=1))

    @property
    def uses_pixels(self) -> bool:
        """Whether it looks at the image and not only at the file."""
        return self.weights is not None or self.model is not None


def make_majority_baseline(train_labels: np.ndarray, count: int) -> Baseline:
    """Return the share of generated images in the train split as the probability of each image."""
    probabilities = np.full((count, 1), float(train_labels.mean()))
    return Baseline(name="majority class", logits=convert_to_logits(probabilities))


def fit_metadata_baseline(
    train: Sequence[FaceRecord], validation: Sequence[FaceRecord], train_labels: np.ndarray
) -> Baseline:
    """Fit logistic regression on the properties of the original file, without its pixels."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        DictVectorizer(sparse=False), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    model.fit([_extract_metadata_features(record) for record in train], train_labels)
    probabilities = model.predict_proba(
        [_extract_metadata_features(record) for record in validation]
    )
    return Baseline(name="file metadata only", logits=convert_to_logits(probabilities[:, 1:]))


def _extract_metadata_features(record: FaceRecord) -> dict[str, float | str]:
    sizes = {
        "width": record.width,
        "height": record.height,
        "bytes": record.bytes,
        "bits": record.bytes / (record.width * record.height),
    }
    return {
        "format": record.format,
        "mode": record.mode,
        "quality": record.quality or 0,
        **{name: float(np.log(value)) for name, value in sizes.items()},
    }


def fit_logistic_baseline(
    name: str,
    base: str,
    features: TrainingFeatures,
    *,
    taps: str,
    statistics: Sequence[str],
    size: int,
) -> Baseline:
    """Fit logistic regression (C = 1) on the standardised features of view 0 at one input size.

    It uses MAX_LOGISTIC_IMAGES training images at most.

    Args:
        taps: name in TAP_SETS.
        size: in pixels.
    """
    columns = select_columns(features.columns, taps=taps, statistics=statistics, sizes=(size,))
    index = compute_column_indices(columns)
    train = features.train
    weights = np.zeros(train.values.shape[2])
    rows = np.arange(len(train.values))
    if len(rows) > MAX_LOGISTIC_IMAGES:
        rows = np.sort(np.random.default_rng(0).choice(rows, MAX_LOGISTIC_IMAGES, replace=False))
    weights[index], bias = fit_logistic_regression(
        train.values[rows, 0][:, index], train.labels[rows]
    )
    # In double precision: the bias is a difference of large sums.
    logits = np.concatenate(
        [
            block.astype(np.float64) @ weights + bias
            for block in iterate_blocks(features.validation.judged)
        ]
    )
    return Baseline(name=name, logits=logits, weights=weights, bias=bias, base=base)


def fit_logistic_regression(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the logit's weights (width,) and bias over unstandardised features x (n, width).

    Logistic regression (C = 1) is fitted on standardised features; the weights undo that.
    """
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-6)
    model = LogisticRegression(C=1.0, max_iter=500).fit((x - mean) / scale, labels)
    weights = model.coef_[0] / scale
    return weights, float(model.intercept_[0] - (model.coef_[0] * mean / scale).sum())


def export_linear_baseline(baseline: Baseline, extractor_path: Path, path: Path) -> None:
    """Write a linear baseline as an ONNX detector.

    It is the extractor's graph, followed by the weights and a sigmoid.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(extractor_path))
    graph = model.graph
    features = graph.output[0].name
    constants = {
        "baseline_weights": baseline.weights[:, None],
        "baseline_bias": np.array([baseline.bias]),
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    graph.node.extend(
        [
            helper.make_node("Cast", [features], ["features_double"], to=TensorProto.DOUBLE),
            helper.make_node("MatMul", ["features_double", "baseline_weights"], ["weighted"]),
            helper.make_node("Add", ["weighted", "baseline_bias"], ["logit"]),
            helper.make_node("Cast", ["logit"], ["logit_float"], to=TensorProto.FLOAT),
            helper.make_node("Sigmoid", ["logit_float"], ["generated"]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("generated", TensorProto.FLOAT, [None, 1]))
    onnx.save(model, str(path))
