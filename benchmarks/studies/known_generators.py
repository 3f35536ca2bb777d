"""Count which known generator a detector's heads see in each hold-out image: `python -m
benchmarks.studies.known_generators --model saved_models/telltale-faces --dataset
data/telltale-faces`.

Heads have an output for each generator of their training. The nearest generator of an image is the
one with the largest output, the mean of both judgement qualities, added up over the heads with
their weights. The command prints a Markdown table: a row counts the images of one generator.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.measuring import render_markdown_table
from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from runtime import console
from training import dataset, keras_startup, run_features
from training.dataset import Dataset
from training.detectors import detector_parts
from training.detectors.assembly import EnsembleMember
from training.detectors.card import Card
from training.features import feature_cache
from training.features.column_selection import compute_column_indices
from training.settings import TrainingSettings
from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.shares import compute_share_interval


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Count which known generator a detector's heads see in each hold-out image."""

    model: Path
    """Folder of a saved detector whose heads tell generators apart."""

    dataset: Path
    """The data set that it was trained on."""


def main(settings: StudySettings) -> None:
    keras_startup.start_keras()
    parts = detector_parts.load_detector_parts(settings.model)
    generators = parts.card.search.generators
    if not generators:
        raise console.PlainError(f"The heads of {settings.model} do not tell generators apart.")
    if parts.more:
        raise console.PlainError(f"{settings.model} spans bases. Name a detector on one base.")
    data = dataset.load_dataset(settings.dataset.parent, settings.dataset)
    records = list_hold_out(data, parts.card)
    features = load_judged_features(data, parts.card, records)
    outputs = sum(compute_outputs(member, features) for member in parts.members)
    sources = np.array([record.source for record in records])
    groups = np.array([record.group for record in records])
    nearest = np.array(generators)[outputs.argmax(axis=1)]
    print(render_confusion(sources, nearest, generators))
    low, high = compute_share_interval(nearest == sources, groups, CONFIDENCE_LEVEL)
    share = (nearest == sources).mean()
    print(
        f"\nOf {len(records)} images, {share:.0%} ({low:.0%} to {high:.0%}) are nearest their own."
    )


def list_hold_out(data: Dataset, card: Card) -> list[FaceRecord]:
    """Return the hold-out's images of the detector's generators.

    Raises:
        PlainError: it is another hold-out than the detector's.
    """
    if splits.compute_hold_out_sha256(data.records) != card.dataset.hold_out_sha256:
        raise console.PlainError(
            f"{card.name} was not trained on {data.folder}: the hold-outs differ. Name its own."
        )
    splits.record_hold_out_opening(data.folder, "known generators")
    hold_out = manifest.select_accepted(data.records, "hold-out")
    return [record for record in hold_out if record.source in card.search.generators]


def load_judged_features(data: Dataset, card: Card, records: list[FaceRecord]) -> np.ndarray:
    """Return the features of images as the detector judges them, (images, qualities, width)."""
    settings = TrainingSettings(sizes=card.base.sizes, signals=card.base.signals)
    extractor = run_features.open_extractor(settings, data, card.base.name)
    views = canonical.list_judgement_views(card.qualities)
    return feature_cache.load_or_compute_features(data.folder, records, extractor, views).values


def compute_outputs(member: EnsembleMember, features: np.ndarray) -> np.ndarray:
    """Return the head's outputs times its weight, (images, generators)."""
    import keras

    head = keras.Model(member.head.inputs, member.head.get_layer("logit").output)
    x = features[:, :, compute_column_indices(member.columns)]
    outputs = head.predict(x.reshape(-1, x.shape[2]), verbose=0)
    return member.weight * outputs.reshape(*x.shape[:2], -1).mean(axis=1)


def render_confusion(sources: np.ndarray, nearest: np.ndarray, generators: tuple[str, ...]) -> str:
    """Return a Markdown table: rows are the true generators, columns the nearest ones."""
    rows = [
        [name, *(str(np.sum((sources == name) & (nearest == other))) for other in generators)]
        for name in generators
    ]
    return render_markdown_table(["images of", *(f"nearest {name}" for name in generators)], rows)


if __name__ == "__main__":
    settings = tyro.cli(StudySettings, prog="python -m benchmarks.studies.known_generators")
    console.run_command(lambda: main(settings))
