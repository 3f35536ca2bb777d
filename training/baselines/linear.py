"""What a search must beat, on the same split: the majority, the file's metadata, and logistic regression on the features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from training.calibration import sigmoid
from training.features.column_selection import compute_column_indices, select_columns
from training.features.training_features import TrainingFeatures, iterate_blocks

if TYPE_CHECKING:
    import keras


MAX_LOGISTIC_IMAGES = 20_000
"""Training images that logistic regression is solved for; more take hours and tell the same."""


@dataclass(frozen=True)
class Baseline:
    """A baseline's scores, and its weights where it is linear in the features.

    Attributes:
        name: as in the leaderboard.
        probabilities: of *generated*, for the validation images' view 0, shape (images,).
        weights, bias: of the logit over all of the base's features, shape (width,); None for the others.
        base: which base's features; empty for the others.
        model: one trained from scratch, from pixels of the detector's side to probabilities; None for the others.
    """

    name: str
    probabilities: np.ndarray
    weights: np.ndarray | None = None
    bias: float = 0.0
    base: str = ""
    model: "keras.Model | None" = None

    @property
    def looks_at_pictures(self) -> bool:
        return self.weights is not None or self.model is not None


def make_majority_baseline(train_labels: np.ndarray, count: int) -> Baseline:
    return Baseline("majority class", np.full(count, float(train_labels.mean())))


def fit_metadata_baseline(
    train: Sequence[FaceRecord], validation: Sequence[FaceRecord], train_labels: np.ndarray
) -> Baseline:
    """Logistic regression on what the original file says of itself, without a look at its pixels."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        DictVectorizer(sparse=False), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    model.fit([_extract_metadata_features(record) for record in train], train_labels)
    return Baseline(
        "file metadata only",
        model.predict_proba([_extract_metadata_features(record) for record in validation])[:, 1],
    )


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
        **{k: float(np.log(v)) for k, v in sizes.items()},
    }


def fit_logistic_baseline(
    name: str, base: str, faces: TrainingFeatures, taps: str, statistics: str, size: int
) -> Baseline:
    """Logistic regression (C = 1) on the standardised features of view 0 at one input size, of at most MOST training images."""
    columns = select_columns(
        faces.columns, {"taps": taps, "sizes": str(size), "statistics": statistics}
    )
    index = compute_column_indices(columns)
    weights = np.zeros(faces.train.shape[2])
    rows = np.arange(len(faces.train))
    if len(rows) > MAX_LOGISTIC_IMAGES:
        rows = np.sort(np.random.default_rng(0).choice(rows, MAX_LOGISTIC_IMAGES, replace=False))
    weights[index], bias = fit_logistic_regression(
        faces.train[rows, 0][:, index], faces.train_labels[rows]
    )
    # In double precision: the bias is a difference of large sums.
    logits = np.concatenate(
        [
            part[:, 0].astype(np.float64) @ weights + bias
            for part in iterate_blocks(faces.validation)
        ]
    )
    return Baseline(name, sigmoid(logits), weights, bias, base)


def fit_logistic_regression(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (width,) and bias of the logit that logistic regression (C = 1) gives standardised features (n, width)."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-6)
    model = LogisticRegression(C=1.0, max_iter=500).fit((x - mean) / scale, labels)
    return model.coef_[0] / scale, float(
        model.intercept_[0] - (model.coef_[0] * mean / scale).sum()
    )


def export_linear_baseline(baseline: Baseline, extractor: Path, path: Path) -> None:
    """Writes a linear baseline as an ONNX detector: the extractor's graph with the weights and a sigmoid behind it."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(extractor))
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
