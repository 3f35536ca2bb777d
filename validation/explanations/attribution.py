"""By how much every place of a picture moved a detector's logit, from the activations that its
heads look at.

For the mean of the last layer alone a map is Grad-CAM before its ReLU: gradients of the logit,
pooled, times activations. The heads here look at means and deviations of many layers, so every
feature's share of the logit (its gradient times its distance from the training images' mean) is
given to the places that it comes from, and the layers are summed. NumPy alone: the activations may
come from Keras or from ONNX Runtime.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runtime import console
from training.detectors.assembly import EnsembleMember
from training.features.layout import Column

HEAT_MAP_GRID_SIDE = 7
"""Cells of a heat map along each side: what the last layer of a base has at 224 px."""

TapActivations = Mapping[tuple[int, str, str], np.ndarray]
"""Activations (n, height, width, channels) by input size, signal and name of the tap."""


@dataclass(frozen=True)
class Attribution:
    """Features, logits and attribution maps of a batch of images.

    Attributes:
        features: all input features of its heads, float32 (n, width).
        logits: of *generated*, calibrated, (n,).
        maps: by how much every cell moved the logit away from what an average training picture
            gets, (n, GRID, GRID).
    """

    features: np.ndarray
    logits: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True)
class NumpyHead:
    """One head as plain arrays: it standardises, passes through dense layers with ReLUs between,
    and ends in a logit.

    Attributes:
        columns: what it looks at.
        mean, scale: of the standardisation, (width,) each.
        layers: kernel (in, out) and bias (out,) of every dense layer; the last has an output for
            every voice.
        weight: of its logit.
    """

    columns: list[Column]
    mean: np.ndarray
    scale: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]
    weight: float

    @classmethod
    def of(cls, member: EnsembleMember) -> "NumpyHead":
        """Reads a Keras head.

        Raises:
            PlainError: it is not one of those that `training.heads` builds.
        """
        dense = [layer for layer in member.head.layers if type(layer).__name__ == "Dense"]
        if [layer.activation.__name__ for layer in dense] != ["relu"] * (len(dense) - 1) + [
            "linear"
        ]:
            raise console.PlainError(
                "The detector's head is of a kind that cannot be explained.", console.EXIT_BAD_MODEL
            )
        standardise = member.head.get_layer("standardise")
        mean, variance = standardise.get_weights()
        scale = 1 / np.sqrt(variance + standardise.epsilon)
        return cls(
            member.columns,
            mean,
            scale,
            [tuple(layer.get_weights()) for layer in dense],
            member.weight,
        )

    def logits(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted logits (n,) of features (n, width), and what a unit of every feature adds to
        each, (n, width)."""
        values, masks = (features - self.mean) * self.scale, []
        for kernel, bias in self.layers[:-1]:
            values = values @ kernel + bias
            masks.append(values > 0)
            values = values * masks[-1]
        kernel, bias = self.layers[-1]
        voices = values @ kernel + bias
        together = np.logaddexp.reduce(voices, axis=1, keepdims=True)
        gradient = np.exp(voices - together) @ kernel.T
        for (before, _), mask in zip(reversed(self.layers[:-1]), reversed(masks), strict=True):
            gradient = (gradient * mask) @ before.T
        return self.weight * (
            together[:, 0] - np.log(len(bias))
        ), self.weight * gradient * self.scale


class Attributor:
    """Looks at pictures with the heads of one detector."""

    def __init__(self, heads: Sequence[NumpyHead]):
        self.heads = heads
        self.columns = list(dict.fromkeys(column for head in heads for column in head.columns))
        stops = list(itertools.accumulate(column.stop - column.start for column in self.columns))
        starts = [0, *stops[:-1]]
        self.width = stops[-1]
        self._places = {
            column: slice(*ends) for column, *ends in zip(self.columns, starts, stops, strict=True)
        }
        self._average = np.zeros(self.width, dtype=np.float32)
        for head in heads:
            self._average[self._index(head)] = head.mean

    def _index(self, head: NumpyHead) -> np.ndarray:
        return np.concatenate(
            [np.arange(self.width)[self._places[column]] for column in head.columns]
        )

    def features(self, taps: TapActivations) -> np.ndarray:
        """Everything that the heads look at, float32 (n, width)."""
        return np.concatenate(
            [self._pooled(taps[column.tap_key], column) for column in self.columns], axis=1
        )

    @staticmethod
    def _pooled(tap: np.ndarray, column: Column) -> np.ndarray:
        return (
            tap.mean(axis=(1, 2))
            if column.statistic == "mean"
            else np.sqrt(tap.var(axis=(1, 2)) + 1e-6)
        )

    def look(self, taps: TapActivations) -> Attribution:
        features = self.features(taps)
        logits, gradients = np.zeros(len(features), np.float32), np.zeros_like(features)
        for head in self.heads:
            index = self._index(head)
            mine, slope = head.logits(features[:, index])
            logits += mine
            gradients[:, index] += slope
        maps = sum(
            self._map(taps[column.tap_key], column, features, gradients) for column in self.columns
        )
        return Attribution(features, logits, maps)

    def _map(
        self, tap: np.ndarray, column: Column, features: np.ndarray, gradients: np.ndarray
    ) -> np.ndarray:
        """A column's share of the logit, given to the places it comes from; the cells of a map add
        up to the share."""
        place = self._places[column]
        slope, average = gradients[:, None, None, place], self._average[place]
        if column.statistic == "mean":
            share = tap - average
        else:
            mean = tap.mean(axis=(1, 2), keepdims=True)
            share = (tap - mean) ** 2 / features[:, None, None, place] - average
        whole = (slope * share).sum(axis=-1) / (tap.shape[1] * tap.shape[2])
        return resample_to_grid(whole, HEAT_MAP_GRID_SIDE)


def resample_to_grid(maps: np.ndarray, side: int) -> np.ndarray:
    """Maps (n, height, width) on a grid (n, side, side) by shares of area, so that their sums stay
    what they are."""
    rows, columns = (_compute_area_fractions(length, side) for length in maps.shape[1:])
    return np.einsum("gh,nhw,kw->ngk", rows, maps, columns)


def _compute_area_fractions(length: int, side: int) -> np.ndarray:
    """Which share of each of `length` places falls into each of `side` cells; (side, length),
    columns sum to 1."""
    edges = np.arange(side + 1) * length / side
    places = np.arange(length)
    return np.clip(
        np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places), 0, None
    )
