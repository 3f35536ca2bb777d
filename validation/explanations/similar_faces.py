"""Training faces that are similar to an image in the detector's features."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.dataset.manifest import FaceRecord, ImageClass

FEATURE_SPACE_COMPONENTS = 50
"""Principal components in which distances between images are measured."""

CANONICAL_PATH_PATTERN = re.compile(r"images/(real|generated)/[0-9a-f]{2}/[0-9a-f]{64}\.jpg")
"""Paths of a data set's canonical pictures: a stranger's explainer must not make the page show
other files."""


@dataclass(frozen=True)
class TrainingImageFeatures:
    """Features (n, width) of training images, with their data set's folder and their records."""

    folder: Path
    records: Sequence[FaceRecord]
    features: np.ndarray


@dataclass(frozen=True)
class SimilarFace:
    """A training image close to a given image in the detector's feature space.

    Attributes:
        file: its canonical picture in the training data set, which may no longer exist.
        distance: Euclidean, in standardised features reduced to FEATURE_SPACE_COMPONENTS principal
            components.
    """

    file: Path
    label: ImageClass
    source: str
    distance: float

    def describe(self) -> str:
        """Return its class and its source: "photograph (ffhq)"."""
        words = "photograph" if self.label == "real" else "generated"
        return words if self.source == self.label else f"{words} ({self.source})"

    def draw_thumbnail(self, side: int) -> Image.Image | None:
        """Return its picture, side x side pixels; None if it no longer exists."""
        try:
            with Image.open(self.file, formats=("JPEG",)) as image:
                return image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        except (OSError, ValueError, SyntaxError):
            return None


@dataclass(frozen=True)
class TrainingFaces:
    """Training images to search for similar ones.

    Attributes:
        folder: of their data set.
        images: path within it, label and source of each.
        arrays: of the features, "mean" and "deviation" (width,) and "components" (k, width); of
            the images, "embeddings" (n, k).
    """

    folder: Path
    images: Sequence[Mapping[str, str]]
    arrays: Mapping[str, np.ndarray]

    @classmethod
    def fit(cls, training: TrainingImageFeatures) -> "TrainingFaces":
        """Standardise the features and reduce them to principal components."""
        from sklearn.decomposition import PCA

        features = training.features
        mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0) + 1e-6)
        pca = PCA(min(FEATURE_SPACE_COMPONENTS, *features.shape), random_state=0)
        embeddings = pca.fit_transform((features - mean) / deviation)
        arrays = {
            "mean": mean,
            "deviation": deviation,
            "components": pca.components_,
            "embeddings": embeddings,
        }
        return cls(
            training.folder,
            [
                {"image": record.image, "label": record.label, "source": record.source}
                for record in training.records
            ],
            {name: array.astype(np.float32) for name, array in arrays.items()},
        )

    def find_similar(self, features: np.ndarray, count: int = 6) -> list[SimilarFace]:
        """Return the images closest to one image's features (width,), the closest first."""
        arrays = self.arrays
        embedding = ((features - arrays["mean"]) / arrays["deviation"]) @ arrays["components"].T
        distances = np.linalg.norm(arrays["embeddings"] - embedding, axis=1)
        return [
            SimilarFace(
                self.folder / self.images[index]["image"],
                self.images[index]["label"],
                self.images[index]["source"],
                float(distances[index]),
            )
            for index in np.argsort(distances, kind="stable")[:count]
            if CANONICAL_PATH_PATTERN.fullmatch(self.images[index]["image"])
        ]
