"""Attribution: how much each region of an image moved a detector's logit, from tapped activations.

For the mean of the last layer alone, a map is Grad-CAM before its ReLU: pooled gradients of the
logit times activations. The heads here use means and deviations of many layers, so each feature's
contribution to the logit (its gradient times its distance from the training images' mean) is
distributed over the positions that it is pooled from, and the layers are summed. NumPy only: the
activations may come from Keras or from ONNX Runtime.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runtime import console
from training.detectors.assembly import EnsembleMember
from training.features.layout import CLASS_STATISTIC, Column

HEAT_MAP_GRID_SIDE = 7
"""Cells of a heat map along each side, as many as the last layer of a base has at 224 px."""

TapActivations = Mapping[tuple[int, str, str], np.ndarray]
"""Activations (n, height, width, channels), or tokens (n, tokens, channels), by input size,
signal and name of the tap."""


@dataclass(frozen=True)
class Attribution:
    """Features, logits and attribution maps of a batch of images.

    Attributes:
        features: input features of all heads, float32 (n, width).
        logits: calibrated logits of *generated*, (n,).
        maps: how much each cell moved the logit away from that of an average training image,
            (n, HEAT_MAP_GRID_SIDE, HEAT_MAP_GRID_SIDE).
    """

    features: np.ndarray
    logits: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True, kw_only=True)
class NumpyHead:
    """One head as plain arrays: standardisation, then dense layers with ReLUs between them.

    Attributes:
        columns: feature columns that it uses.
        mean, scale: of the standardisation, (width,) each.
        layers: kernel (in, out) and bias (out,) of each dense layer; the last layer has one output
            per generator.
        weight: weight of its logit in the ensemble.
    """

    columns: list[Column]
    mean: np.ndarray
    scale: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]
    weight: float

    @classmethod
    def from_member(cls, member: EnsembleMember) -> "NumpyHead":
        """Convert a Keras head.

        Raises:
            PlainError: the head is not of the kind that `training.head_search.heads` builds.
        """
        dense = [layer for layer in member.head.layers if type(layer).__name__ == "Dense"]
        if [layer.activation.__name__ for layer in dense] != ["relu"] * (len(dense) - 1) + [
            "linear"
        ]:
            raise console.PlainError(
                "The detector's head cannot be explained: it is not a stack of dense layers.",
                console.EXIT_BAD_MODEL,
            )
        standardise = member.head.get_layer("standardise")
        mean, variance = standardise.get_weights()
        return cls(
            columns=member.columns,
            mean=mean,
            scale=1 / np.sqrt(variance + standardise.epsilon),
            layers=[tuple(layer.get_weights()) for layer in dense],
            weight=member.weight,
        )

    def compute_logits(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted logits (n,) of features (n, width), and their gradients with respect
        to the features, (n, width)."""
        values, masks = (features - self.mean) * self.scale, []
        for kernel, bias in self.layers[:-1]:
            values = values @ kernel + bias
            masks.append(values > 0)
            values = values * masks[-1]
        kernel, bias = self.layers[-1]
        outputs = values @ kernel + bias  # (n, generators)
        combined = np.logaddexp.reduce(outputs, axis=1, keepdims=True)
        gradient = np.exp(outputs - combined) @ kernel.T
        for (lower, _), mask in zip(reversed(self.layers[:-1]), reversed(masks), strict=True):
            gradient = (gradient * mask) @ lower.T
        logits = self.weight * (combined[:, 0] - np.log(len(bias)))
        return logits, self.weight * gradient * self.scale


class Attributor:
    """Compute attributions with the heads of one detector."""

    def __init__(self, heads: Sequence[NumpyHead]):
        self.heads = heads
        self.columns = list(dict.fromkeys(column for head in heads for column in head.columns))
        stops = list(itertools.accumulate(column.stop - column.start for column in self.columns))
        starts = [0, *stops[:-1]]
        self.width = stops[-1]
        self._slices = {
            column: slice(*ends) for column, *ends in zip(self.columns, starts, stops, strict=True)
        }
        self._mean_features = np.zeros(self.width, dtype=np.float32)
        for head in heads:
            self._mean_features[self._get_indices(head)] = head.mean

    def _get_indices(self, head: NumpyHead) -> np.ndarray:
        return np.concatenate(
            [np.arange(self.width)[self._slices[column]] for column in head.columns]
        )

    def pool_features(self, taps: TapActivations) -> np.ndarray:
        """Return the input features of all heads, float32 (n, width)."""
        return np.concatenate(
            [self._pool_tap(taps[column.tap_key], column) for column in self.columns], axis=1
        )

    @staticmethod
    def _pool_tap(tap: np.ndarray, column: Column) -> np.ndarray:
        values = _list_pooled_positions(tap, column)
        if column.statistic == "std":
            return np.sqrt(values.var(axis=(1, 2)) + 1e-6)
        return values.mean(axis=(1, 2))

    def compute_attribution(self, taps: TapActivations) -> Attribution:
        features = self.pool_features(taps)
        logits, gradients = np.zeros(len(features), np.float32), np.zeros_like(features)
        for head in self.heads:
            indices = self._get_indices(head)
            head_logits, head_gradients = head.compute_logits(features[:, indices])
            logits += head_logits
            gradients[:, indices] += head_gradients
        maps = sum(
            self._compute_column_map(taps[column.tap_key], column, features, gradients)
            for column in self.columns
        )
        return Attribution(features, logits, maps)

    def _compute_column_map(
        self, tap: np.ndarray, column: Column, features: np.ndarray, gradients: np.ndarray
    ) -> np.ndarray:
        """Distribute a column's contribution to the logit over its positions; the cells of a map
        add up to it."""
        columns = self._slices[column]
        gradient, mean_feature = gradients[:, None, None, columns], self._mean_features[columns]
        tap = _list_pooled_positions(tap, column)
        if column.statistic != "std":
            difference = tap - mean_feature
        else:
            mean = tap.mean(axis=(1, 2), keepdims=True)
            difference = (tap - mean) ** 2 / features[:, None, None, columns] - mean_feature
        contribution = (gradient * difference).sum(axis=-1) / (tap.shape[1] * tap.shape[2])
        return resample_to_grid(contribution, HEAT_MAP_GRID_SIDE)


def _list_pooled_positions(tap: np.ndarray, column: Column) -> np.ndarray:
    """Return the part of a tap that a column is pooled from, (n, height, width, channels).

    A class token belongs to no place: it is one position as large as the picture.
    """
    if tap.ndim == 4:
        return tap
    if column.statistic == CLASS_STATISTIC:
        return tap[:, :1, None]
    side = math.isqrt(tap.shape[1])
    return tap[:, -(side**2) :].reshape(len(tap), side, side, -1)


def resample_to_grid(maps: np.ndarray, side: int) -> np.ndarray:
    """Resample maps (n, height, width) to (n, side, side) by shares of area, which preserves their
    sums."""
    rows, columns = (_compute_area_fractions(length, side) for length in maps.shape[1:])
    return np.einsum("gh,nhw,kw->ngk", rows, maps, columns)


def _compute_area_fractions(length: int, side: int) -> np.ndarray:
    """Return the share of each of `length` positions in each of `side` cells, (side, length);
    columns sum to 1."""
    edges = np.arange(side + 1) * length / side
    starts = np.arange(length)
    return np.clip(
        np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts), 0, None
    )
