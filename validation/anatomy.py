"""A saved detector opened for explanation: its features, how much each moves the logit, and from where in the picture."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training import accelerators, base_models, base_weights, detector
from training.detector import Column

if TYPE_CHECKING:
    import keras

    from finetuning.parent import Parent

GRID = 7
"""Cells of a heat map along each side: what the last layer of a base has at 224 px."""


@dataclass(frozen=True)
class Look:
    """What a detector sees in a batch of pictures.

    Attributes:
        features: everything its heads look at, float32 (n, width).
        logits: of *generated*, calibrated, (n,).
        maps: by how much every cell moved the logit away from what an average training picture gets, (n, GRID, GRID).
    """

    features: np.ndarray
    logits: np.ndarray
    maps: np.ndarray


class Anatomy:
    """Base and heads of one detector.

    For the mean of the last layer alone a map is Grad-CAM before its ReLU: gradients of the logit, pooled, times activations.
    The heads here look at means and deviations of many layers, so every feature's share of the logit (its gradient times its
    distance from the training images' mean) is given to the places that it comes from, and the layers are summed.
    """

    def __init__(self, parent: "Parent"):
        self.parent, self.members = parent, parent.members
        self.name, self.side = parent.card.base["name"], parent.card.image_size
        self.columns = detector.columns_of(parent.members)
        self.places = _places(self.columns)
        self.average = np.zeros(_width(self.columns), dtype=np.float32)
        for member in self.members:
            mean, _ = member.head.get_layer("standardise").get_weights()
            self.average[self._index(member)] = mean
        self._look_through(parent.base)

    def _look_through(self, base: "keras.Model") -> None:
        import keras

        pixels = keras.Input((self.side, self.side, 3), name="pixels")
        wanted = {column.tap for column in self.columns}
        self.taps = [tap for tap in base_models.tap_names(base, self.name) if tap in wanted]
        self.sizes = list(dict.fromkeys(column.size for column in self.columns))
        tapped = base_models.tapped(base, self.name, self.taps)
        outputs = [each for size in self.sizes for each in tapped(detector.prepared(pixels, self.name, size), training=False)]
        self._activations = keras.Model(pixels, outputs)

    @contextlib.contextmanager
    def randomised(self) -> Iterator["Anatomy"]:
        """The same base and heads with random weights, for the first sanity check; afterwards it is itself again."""
        import keras

        self._look_through(base_weights.load(base_weights.find(self.name, "random")))
        draw = np.random.default_rng(0)
        for layer in (layer for member in self.members for layer in member.head.layers):
            if isinstance(layer, keras.layers.Dense):
                kernel, bias = layer.get_weights()
                layer.set_weights([draw.normal(0, 1 / np.sqrt(len(kernel)), kernel.shape), bias])
        yield self
        self.parent.restore()
        self._look_through(self.parent.base)

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Everything the heads look at, float32 (n, width); pixels 0..255, (n, side, side, 3)."""
        return self._pooled(self._run(pixels))

    def look(self, pixels: np.ndarray) -> Look:
        found = self._run(pixels)
        features = self._pooled(found)
        logits, gradients = self._gradients(features)
        maps = sum(self._map(found[column.size, column.tap], column, features, gradients) for column in self.columns)
        return Look(features, logits, maps)

    def _run(self, pixels: np.ndarray) -> dict[tuple[int, str], np.ndarray]:
        keys = [(size, tap) for size in self.sizes for tap in self.taps]
        arrays = accelerators.predict_on_batch(self._activations, pixels.astype(np.float32))
        return {key: np.asarray(array, dtype=np.float32) for key, array in zip(keys, arrays, strict=True)}

    def _pooled(self, found: dict[tuple[int, str], np.ndarray]) -> np.ndarray:
        parts = []
        for column in self.columns:
            tap = found[column.size, column.tap]
            mean = tap.mean(axis=(1, 2))
            parts.append(mean if column.statistic == "mean" else np.sqrt(tap.var(axis=(1, 2)) + 1e-6))
        return np.concatenate(parts, axis=1)

    def _index(self, member: detector.Member) -> np.ndarray:
        return np.concatenate([np.arange(*self.places[column]) for column in member.columns])

    def _gradients(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits, and what a unit of every feature adds to each."""
        import tensorflow as tf

        inputs = tf.constant(features)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            spoken = [
                member.weight * member.head(tf.gather(inputs, self._index(member), axis=1), training=False)
                for member in self.members
            ]
            logits = tf.add_n(spoken)[:, 0]
        gradients = tf.convert_to_tensor(tape.gradient(logits, inputs))
        return logits.numpy(), gradients.numpy()

    def _map(self, tap: np.ndarray, column: Column, features: np.ndarray, gradients: np.ndarray) -> np.ndarray:
        """A column's share of the logit, given to the places it comes from; the cells of a map add up to the share."""
        start, stop = self.places[column]
        slope, average = gradients[:, None, None, start:stop], self.average[start:stop]
        if column.statistic == "mean":
            share = tap - average
        else:
            mean = tap.mean(axis=(1, 2), keepdims=True)
            share = (tap - mean) ** 2 / features[:, None, None, start:stop] - average
        whole = (slope * share).sum(axis=-1) / (tap.shape[1] * tap.shape[2])
        return on_grid(whole, GRID)


def on_grid(maps: np.ndarray, side: int) -> np.ndarray:
    """Maps (n, height, width) on a grid (n, side, side) by shares of area, so that their sums stay what they are."""
    rows, columns = (_shares(length, side) for length in maps.shape[1:])
    return np.einsum("gh,nhw,kw->ngk", rows, maps, columns)


def _shares(length: int, side: int) -> np.ndarray:
    """Which share of each of `length` places falls into each of `side` cells; (side, length), columns sum to 1."""
    edges = np.arange(side + 1) * length / side
    places = np.arange(length)
    return np.clip(np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places), 0, None)


def _places(columns: Sequence[Column]) -> dict[Column, tuple[int, int]]:
    stops = np.cumsum([column.stop - column.start for column in columns]).tolist()
    return {column: (start, stop) for column, start, stop in zip(columns, [0, *stops], stops, strict=False)}


def _width(columns: Sequence[Column]) -> int:
    return sum(column.stop - column.start for column in columns)
