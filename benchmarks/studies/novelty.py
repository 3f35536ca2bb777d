"""Measure whether novelty helps on sources left out of training: `python -m
benchmarks.studies.novelty DATASET`.

A picture is novel if its conformal p-value among the photographs known to the detector is under
NOVEL_BELOW; the rule under test gives such a picture no answer. Every source is left out by the
refits that set a detector's cuts, here of two fixed heads instead of a search's best ones, and the
cuts on it are those that the other sources set. The hold-out stays closed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import NearestNeighbors

from data_collection.images import canonical
from runtime import console
from training import run_features
from training.calibration import sigmoid
from training.cuts.choose_cuts import CutTargets
from training.cuts.cut import choose_cut
from training.cuts.left_out import LeftOutSource
from training.dataset import load_dataset
from training.features import feature_cache
from training.features.column_selection import compute_column_indices, select_columns
from training.head_search.head_spec import HeadSpec
from training.head_search.head_trainer import HeadTrainingPlan
from training.refits.refit_cuts import RefitCuts, set_refit_cuts
from training.refits.refit_heads import RefitEnsemble, RefitImages
from training.refits.refit_scores import score_by_refits
from training.settings import TrainingSettings

NOVEL_BELOW = 0.05
COMPONENTS = 50
NEIGHBOUR = 5
FOLDS = 5
TARGET = 0.05
EPOCHS = 20
HEAD_CHOICES = (("middle", 1, 32, 0.4), ("every third", 2, 64, 0.2))
"""Taps, hidden layers, their units and dropout of the two heads."""

FEATURE_SETS = {
    "top layer": {"taps": "top", "statistics": ("mean",), "signals": ("picture",)},
    "all taps": {"taps": "all", "statistics": ("mean", "std"), "signals": None},
}

Distance = Callable[[np.ndarray], np.ndarray]


def fit_components(known: np.ndarray) -> PCA:
    count = min(COMPONENTS, min(known.shape) - 1)
    return PCA(count, svd_solver="randomized", random_state=0).fit(known)


def measure_to_neighbour(known: np.ndarray) -> Distance:
    """Return the function from features to the distance from the k-th nearest known photograph."""
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOUR).fit(known)
    return lambda features: neighbours.kneighbors(features)[0][:, -1]


def measure_mahalanobis(known: np.ndarray) -> Distance:
    """Return the function from features to the squared Mahalanobis distance from the known
    photographs' mean along the principal components, plus, with equal weight, the squared distance
    from their plane over its mean."""
    pca = fit_components(known)
    beyond_plane = max(known.var(axis=0).sum() - pca.explained_variance_.sum(), 1e-9)

    def measure(features: np.ndarray) -> np.ndarray:
        along = pca.transform(features)
        beyond = np.square(features - pca.mean_).sum(axis=1) - np.square(along).sum(axis=1)
        squares = np.square(along) / pca.explained_variance_
        return squares.mean(axis=1) + beyond / beyond_plane

    return measure


DISTANCES = {"5th neighbour": measure_to_neighbour, "Mahalanobis": measure_mahalanobis}


@dataclass(frozen=True)
class NoveltyMethod:
    """A way to measure how unlike the known photographs a picture is.

    Attributes:
        features: name in FEATURE_SETS.
        distance: name in DISTANCES.
    """

    features: str
    distance: str

    def compute_p_values(
        self, images: RefitImages, known: np.ndarray, judged: np.ndarray
    ) -> np.ndarray:
        """Return the conformal p-value of these rows among the known ones, over groups.

        A known photograph's distance is from those of other folds; the images of a group share
        one weight.
        """
        columns = select_columns(images.columns, **FEATURE_SETS[self.features])
        features = images.judged[:, :, compute_column_indices(columns)].mean(axis=1)
        reference, groups = features[known], images.groups[known]
        distances = np.empty(len(known))
        for others, fold in GroupKFold(FOLDS).split(reference, groups=groups):
            distances[fold] = self._measure(reference[others], reference[fold])
        _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        is_farther = distances >= self._measure(reference, features[judged])[:, None]
        return (1 + is_farther @ (1 / sizes[index])) / (1 + len(sizes))

    def _measure(self, known: np.ndarray, features: np.ndarray) -> np.ndarray:
        mean, scale = known.mean(axis=0), np.sqrt(known.var(axis=0) + 1e-6)
        known, features = (known - mean) / scale, (features - mean) / scale
        if self.distance == "5th neighbour":
            pca = fit_components(known)
            known, features = pca.transform(known), pca.transform(features)
        return DISTANCES[self.distance](known)(features)


METHODS = [NoveltyMethod(features, name) for features in FEATURE_SETS for name in DISTANCES]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Images of one source, scored by heads that were not trained on them.

    Attributes:
        rows: in the RefitImages.
        lowest, highest: logits of these rows, at the quality where each is lowest and highest.
        cuts: the false-alarm cut as shipped, that of the folds alone, and the miss cut.
    """

    rows: np.ndarray
    label: int
    source: str
    lowest: np.ndarray
    highest: np.ndarray
    cuts: tuple[float, float, float]


def main(
    dataset: tyro.conf.Positional[Path],
    base: str = "mobilenet_v2",
    data: Path = Path("data"),
) -> None:
    """Print what the rule changes on sources left out, and how much is novel.

    Args:
        dataset: folder or name of a data set with several sources of either class.
        base: whose features are used.
        data: folder of all data sets.
    """
    images = load_images(TrainingSettings(dataset=dataset, data=data, bases=(base,)))
    scores = score_by_refits(images, make_ensemble(images))
    cuts = set_refit_cuts(images, scores, CutTargets(false_alarms=TARGET, misses=TARGET), 0.5, 1)
    scored = [score_left_out(images, scores.folds.logits, cuts, source) for source in cuts.left_out]
    p_values = {method: compute_all_p_values(images, method) for method in METHODS}
    left_out = {method: values for method, (_, values) in p_values.items()}
    print_novel_shares(images, p_values)
    print_answers(scored, left_out)
    print_sources(scored, left_out)


def load_images(settings: TrainingSettings) -> RefitImages:
    """Load or compute the features of the train and validation images."""
    dataset = load_dataset(settings.data, settings.dataset)
    (base,) = settings.bases
    extractor = run_features.open_extractor(settings, dataset, base)
    records = dataset.train + dataset.validation
    values, judged = (
        feature_cache.load_or_compute_features(dataset.folder, records, extractor, views).values
        for views in (range(settings.views), canonical.list_judgement_views())
    )
    return RefitImages(
        columns=extractor.columns,
        values=values,
        judged=judged,
        labels=dataset.encode_labels(records),
        sources=np.array([record.source for record in records]),
        groups=np.array([record.group for record in records]),
    )


def make_ensemble(images: RefitImages) -> RefitEnsemble:
    """Return how to train the two heads of HEAD_CHOICES."""
    first = images.columns[0]
    signals = tuple(dict.fromkeys(column.signal for column in images.columns))
    plans = []
    for number, (taps, layers, units, dropout) in enumerate(HEAD_CHOICES):
        spec = HeadSpec(
            base="",
            signals=signals,
            taps=taps,
            sizes=(first.size,),
            statistics=("mean", "std"),
            layers=layers,
            units=units,
            dropout=dropout,
            weight_decay=3e-3,
            learning_rate=5e-4,
        )
        plans.append(
            HeadTrainingPlan(
                spec=spec,
                columns=spec.select_columns(images.columns),
                epochs=EPOCHS,
                patience=EPOCHS,
                seed=(0, number),
            )
        )
    return RefitEnsemble(plans=plans, temperatures=[1.0] * len(plans), batch_size=64, seed=0)


def score_left_out(
    images: RefitImages, fold_logits: np.ndarray, cuts: RefitCuts, source: LeftOutSource
) -> Scored:
    """Return the scores of a source left out, with the cuts that the other sources set."""
    calibration = cuts.calibration
    is_source = (images.sources == source.source) & (images.labels == source.label)
    others = (images.labels == 0) & ~is_source
    shipped, miss = calibration.false_alarm_cuts[0].limit, calibration.miss_cuts[0].limit
    shipped, miss = (shipped, source.limits[0]) if source.label else (source.limits[0], miss)
    by_folds = choose_cut(fold_logits[others].min(axis=1), images.groups[others], TARGET).limit
    return Scored(
        rows=np.flatnonzero(is_source),
        label=source.label,
        source=source.source,
        lowest=np.array(source.lowest),
        highest=np.array(source.highest),
        cuts=(shipped, by_folds, miss),
    )


def compute_all_p_values(
    images: RefitImages, method: NoveltyMethod
) -> tuple[np.ndarray, np.ndarray]:
    """Return the p-values of all images where their source is known, and where it is left out.

    The photographs of a fold, or of a source left out, are not among the known ones. A generator
    is never known: all photographs are, so both of its values are the same.
    """
    real = np.flatnonzero(images.labels == 0)
    generated = np.flatnonzero(images.labels == 1)
    met, left_out = np.empty(len(images.labels)), np.empty(len(images.labels))
    met[generated] = left_out[generated] = method.compute_p_values(images, real, generated)
    for others, fold in GroupKFold(FOLDS).split(real, groups=images.groups[real]):
        met[real[fold]] = method.compute_p_values(images, real[others], real[fold])
    for source in images.list_sources(0):
        is_source = images.sources[real] == source
        left_out[real[is_source]] = method.compute_p_values(
            images, real[~is_source], real[is_source]
        )
    return met, left_out


def print_novel_shares(
    images: RefitImages, p_values: dict[NoveltyMethod, tuple[np.ndarray, np.ndarray]]
) -> None:
    real, generated = images.labels == 0, images.labels == 1
    rows = [
        [
            *(method.features, method.distance),
            *(
                f"{np.mean(values[part] < NOVEL_BELOW):.1%}"
                for values, part in ((met, real), (left_out, real), (left_out, generated))
            ),
        ]
        for method, (met, left_out) in p_values.items()
    ]
    columns = ["features", "distance", "photographs, known source", "left out", "generated images"]
    console.print_table(f"Called novel, p under {NOVEL_BELOW}", columns, rows)


def decide(scored: Scored, is_novel: np.ndarray, false_alarm_cut: float) -> np.ndarray:
    """Return 1 for generated, 0 for real and -1 for no answer."""
    real_below, generated_above = sorted((false_alarm_cut, scored.cuts[2]))
    is_generated = sigmoid(scored.lowest) >= generated_above
    is_real = sigmoid(scored.highest) < real_below
    answers = np.where(is_generated, 1, np.where(is_real, 0, -1))
    return np.where(is_novel, -1, answers)


def print_answers(scored: Sequence[Scored], p_values: dict[NoveltyMethod, np.ndarray]) -> None:
    """Print the answers to all sources left out, without the rule and with it, at both cuts."""
    rows = []
    for number, cut in enumerate(("as shipped", "of the folds")):
        for method in (None, *METHODS):
            answers = {label: [] for label in (0, 1)}
            for source in scored:
                is_novel = np.zeros(len(source.rows), bool)
                if method:
                    is_novel = p_values[method][source.rows] < NOVEL_BELOW
                answers[source.label].append(decide(source, is_novel, source.cuts[number]))
            real, generated = (np.concatenate(answers[label]) for label in (0, 1))
            rows.append(
                [
                    cut,
                    f"{method.features}, {method.distance}" if method else "none",
                    *(
                        f"{np.sum(part == answer)} of {len(part)} ({np.mean(part == answer):.1%})"
                        for part, answer in ((real, 1), (generated, 1), (generated, 0), (real, 0))
                    ),
                ]
            )
    columns = ["false-alarm cut", "novelty", "false alarms", "found", "missed", "called real"]
    console.print_table("Sources left out: photographs, generated images", columns, rows)


def print_sources(scored: Sequence[Scored], p_values: dict[NoveltyMethod, np.ndarray]) -> None:
    """Print every source left out: novel images, and how many are called generated as shipped."""
    rows = []
    for source in scored:
        cells = []
        for values in p_values.values():
            is_novel = values[source.rows] < NOVEL_BELOW
            kept = decide(source, is_novel, source.cuts[0])
            cells.append(f"{np.mean(is_novel):.0%}, {np.sum(kept == 1)}")
        plain = decide(source, np.zeros(len(source.rows), bool), source.cuts[0])
        rows.append([source.source, str(len(plain)), str(np.sum(plain == 1)), *cells])
    columns = ["left out", "images", "called generated"]
    columns += [f"{method.features}, {method.distance}" for method in METHODS]
    console.print_table("Novel, and then still called generated, by source", columns, rows)


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.studies.novelty"))
