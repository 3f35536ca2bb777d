"""TrainingTask: the images and feature columns that one head is trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from training.features.layout import Column
from validation.cross_generator.plan import ImageSource, SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings


@dataclass(frozen=True)
class ReprocessedFeatures:
    """Features of reprocessed images, shape (images, views, width); NaN for those left as they are.

    Attributes:
        name: the processing, in words."""

    name: str
    values: np.ndarray


@dataclass(frozen=True)
class BaseFeatures:
    """Features of all images of a plan.

    Attributes:
        judged: of the views that are scored, float32, shape (images, views, width).
        views: all views of the training images, shape (training images, views, width), in the order
            of their rows.
        processed: by source, the other class's images with that source's processing; empty
            without --history-control.
    """

    columns: list[Column]
    judged: np.ndarray
    views: np.ndarray
    processed: Mapping[ImageSource, ReprocessedFeatures]


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """Training data of one head: rows of `images` and columns of the features.

    Attributes:
        train, validation: rows of the images.
        index: indices of the feature columns.
    """

    images: SourceImages
    features: BaseFeatures
    settings: CrossGeneratorSettings
    train: np.ndarray
    validation: np.ndarray
    index: np.ndarray

    def without(self, groups: np.ndarray) -> "TrainingTask":
        """Return the same task without the images of some groups."""
        train, validation = (
            rows[~np.isin(self.images.group[rows], groups)]
            for rows in (self.train, self.validation)
        )
        return replace(self, train=train, validation=validation)

    def views(self, rows: np.ndarray) -> np.ndarray:
        """Return the features of training images, shape (rows, views, width)."""
        return self.features.views[
            np.searchsorted(self.images.rows(self.images.sources, "train"), rows)
        ]
