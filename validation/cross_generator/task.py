"""TrainingTask: the images and the feature columns that one head of the cross-generator evaluation
may learn from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.features.layout import Column
from validation.cross_generator.plan import ImageSource, SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings


@dataclass(frozen=True)
class ReprocessedFeatures:
    """Features of all images, shape (images, width), after what `name` tells; NaN where it was not
    done."""

    name: str
    values: np.ndarray


@dataclass(frozen=True)
class BaseFeatures:
    """What a base sees in the images of a plan.

    Attributes:
        plain: of every image what is judged, float32, shape (images, width): view 0, or the mean
            over views.
        views: all views of the training images, shape (training images, views, width), in the order
            of their rows.
        processed: for every source, the images of the other class as it would have published them;
            empty unless asked for.
    """

    columns: list[Column]
    plain: np.ndarray
    views: np.ndarray
    processed: Mapping[ImageSource, ReprocessedFeatures]


@dataclass(frozen=True)
class TrainingTask:
    """What a head may look at: rows of Images, and the columns of the features.

    Attributes:
        train, validation: rows of the images.
        index: places of the columns.
    """

    them: SourceImages
    features: BaseFeatures
    settings: CrossGeneratorSettings
    train: np.ndarray
    validation: np.ndarray
    index: np.ndarray

    def without(self, groups: np.ndarray) -> "TrainingTask":
        """The same lesson without the images of some groups."""
        keep = [
            rows[~np.isin(self.them.group[rows], groups)] for rows in (self.train, self.validation)
        ]
        return TrainingTask(self.them, self.features, self.settings, *keep, self.index)

    def views(self, rows: np.ndarray) -> np.ndarray:
        """Training images, shape (rows, views, width)."""
        return self.features.views[
            np.searchsorted(self.them.rows(self.them.sources, "train"), rows)
        ]
