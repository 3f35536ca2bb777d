"""Simulate what a false-alarm cut holds: `python -m benchmarks.studies.false_alarm_cuts`.

Images are noise of which some numbers separate the classes; images of a group are correlated. Every
run takes the steps of `python -m training`: heads are searched and stopped early on validation
images, the best ones are trained again, and refits set the cuts. Then 20,000 new photographs are
scored with the detector. A row compares the realised false alarms with the target, and with the cut
that was set on the validation images themselves, as detectors before card version 3 were.
"""

import concurrent.futures
import functools
import os
from dataclasses import dataclass

import numpy as np
import tyro

from runtime import console
from training.calibration import fit_temperature, sigmoid
from training.cuts.choose_cuts import CutTargets, choose_threshold
from training.features.layout import Column
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.head_search import batched_training
from training.head_search.head_spec import HeadSpec
from training.head_search.head_trainer import HeadTrainingPlan, compute_head_logits
from training.refits.refit_cuts import set_refit_cuts
from training.refits.refit_heads import RefitEnsemble, RefitImages
from training.refits.refit_scores import score_by_refits

WIDTH, INFORMATIVE, GAP = 40, 6, 1.2
COLUMNS = [Column(32, "tap", "mean", 0, WIDTH)]
TARGET = 0.05
NEW_PHOTOGRAPHS = 20_000
GROUP_CORRELATION = 0.5
VALIDATION_SHARE = 0.15
DESIGNS = ((20, 1), (36, 1), (105, 1), (300, 1), (80, 4), (144, 4), (300, 10))
"""Photographs to train and validate on, and images in a group."""

HEADS = tuple(
    HeadSpec(
        base="noise",
        signals=("picture",),
        taps="all",
        sizes=(32,),
        statistics=("mean",),
        layers=layers,
        units=units,
        dropout=dropout,
        weight_decay=1e-3,
        learning_rate=3e-3,
    )
    for layers, units, dropout in ((0, 0, 0.0), (0, 0, 0.5), (1, 16, 0.3), (1, 32, 0.0))
)
ENSEMBLE_HEADS = 2


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Simulate what a false-alarm cut holds."""

    runs: int = 1000
    """Runs of every design."""

    processes: int = os.cpu_count() or 1
    """Processes that share the runs."""


def main() -> None:
    settings = tyro.cli(StudySettings, prog="python -m benchmarks.studies.false_alarm_cuts")
    rows = []
    with concurrent.futures.ProcessPoolExecutor(settings.processes) as pool:
        for photographs, group_size in DESIGNS:
            simulate = functools.partial(simulate_run, photographs, group_size)
            title = f"{photographs} photographs in groups of {group_size}"
            results = pool.map(simulate, range(settings.runs), chunksize=5)
            results = list(console.track_progress(results, title, settings.runs))
            rows.append([title, *describe_shares(np.array(results))])
            console.print_message(" | ".join(rows[-1]))
    console.print_table(
        f"Realised false alarms at the {TARGET:.0%} cut, {settings.runs:,} runs a row",
        ["design", "mean", "5% to 95%", "over 5%", "over 10%", "found", "mean, on validation"],
        rows,
    )


def describe_shares(results: np.ndarray) -> list[str]:
    """Return the cells of a row; `results` has a row of simulate_run for each run."""
    alarms, found, naive = results.T
    low, high = np.quantile(alarms, [0.05, 0.95])
    return [
        f"{alarms.mean():.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{np.mean(alarms > TARGET):.2f}",
        f"{np.mean(alarms > 2 * TARGET):.2f}",
        f"{found.mean():.2f}",
        f"{naive.mean():.3f}",
    ]


def simulate_run(photographs: int, group_size: int, run: int) -> tuple[float, float, float]:
    """Return false alarms and recall of the detector on new images, and the false alarms of a cut
    on its validation images."""
    console.err.quiet = True  # no progress bar of every refit
    random = np.random.default_rng([photographs, group_size, run])
    images = draw_images(random, photographs, group_size)
    is_validation = choose_validation(random, images)
    features = make_features(images, is_validation)
    heads = train_ensemble(features)
    ensemble, logits = calibrate_ensemble(features, heads)
    scores = score_by_refits(images, ensemble)
    cuts = set_refit_cuts(images, scores, CutTargets(false_alarms=TARGET, misses=TARGET), 0.5, 1.0)
    new = [draw_values(random, NEW_PHOTOGRAPHS // 4, 4, label)[0] for label in (0, 1)]
    scores = [sigmoid(score(features, heads, ensemble, values)) for values in new]
    limit = cuts.calibration.false_alarm_cuts[0].limit
    naive = choose_threshold(sigmoid(logits), features.validation.labels, TARGET)
    above = [np.mean(row >= (2.0 if limit is None else limit)) for row in scores]
    return float(above[0]), float(above[1]), float(np.mean(scores[0] >= naive))


def draw_values(
    random: np.random.Generator, count: int, group_size: int, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return features (images, WIDTH) of one class, and the number of each image's group."""
    groups = np.arange(count) // group_size
    correlation = GROUP_CORRELATION if group_size > 1 else 0.0
    centres = random.normal(size=(groups.max() + 1, WIDTH)) * np.sqrt(correlation)
    values = centres[groups] + random.normal(size=(count, WIDTH)) * np.sqrt(1 - correlation)
    values[:, :INFORMATIVE] += GAP * label
    return values.astype(np.float32), groups


def draw_images(random: np.random.Generator, photographs: int, group_size: int) -> RefitImages:
    """Draw as many generated images as photographs."""
    (real, real_groups), (generated, generated_groups) = (
        draw_values(random, photographs, group_size, label) for label in (0, 1)
    )
    values = np.concatenate([real, generated])[:, None]
    labels = np.repeat([0, 1], photographs)
    names = [*(f"real {n}" for n in real_groups), *(f"generated {n}" for n in generated_groups)]
    return RefitImages(
        columns=COLUMNS,
        values=values,
        judged=values,
        labels=labels,
        sources=np.where(labels == 1, "generator", "camera"),
        groups=np.array(names),
    )


def choose_validation(random: np.random.Generator, images: RefitImages) -> np.ndarray:
    """Return which images are for validation: a share of the groups of each class."""
    chosen = []
    for label in (0, 1):
        names = np.unique(images.groups[images.labels == label])
        chosen += list(random.permutation(names)[: max(2, round(VALIDATION_SHARE * len(names)))])
    return np.isin(images.groups, chosen)


def make_features(images: RefitImages, is_validation: np.ndarray) -> TrainingFeatures:
    train, validation = (
        SplitFeatures(images.values[mask], images.labels[mask], judged=images.judged[mask])
        for mask in (~is_validation, is_validation)
    )
    return TrainingFeatures(COLUMNS, train, validation)


@dataclass(frozen=True)
class FinalHead:
    """A trained head and how to train it again."""

    plan: HeadTrainingPlan
    weights: list[np.ndarray]


def train_ensemble(features: TrainingFeatures) -> list[FinalHead]:
    """Search and train the best heads again, stopping early on the validation images."""
    trials = train_plans(features, HEADS, epochs=10)
    ranked = sorted(zip(trials, HEADS, strict=True), key=lambda pair: pair[0][1])
    final = train_plans(features, [spec for _, spec in ranked[:ENSEMBLE_HEADS]], epochs=20)
    return [head for head, _ in final]


def train_plans(features: TrainingFeatures, specs, epochs: int) -> list[tuple[FinalHead, float]]:
    """Return trained heads and their validation losses."""
    plans = [
        HeadTrainingPlan(spec=spec, columns=COLUMNS, epochs=epochs, patience=5, seed=(0, number))
        for number, spec in enumerate(specs)
    ]
    trained = batched_training.train_heads(features, plans, 16, 0)
    return [
        (
            FinalHead(
                HeadTrainingPlan(
                    spec=plan.spec,
                    columns=COLUMNS,
                    epochs=head.best_epoch + 1,
                    patience=5,
                    seed=plan.seed,
                ),
                head.weights,
            ),
            min(head.history["val_loss"]),
        )
        for plan, head in zip(plans, trained, strict=True)
    ]


def calibrate_ensemble(
    features: TrainingFeatures, heads: list[FinalHead]
) -> tuple[RefitEnsemble, np.ndarray]:
    """Return how to train the ensemble again, and the logits of the validation images."""
    values, labels = features.validation.values[:, 0], features.validation.labels
    logits = [score_head(features, head, values) for head in heads]
    temperatures = [fit_temperature(row, labels) for row in logits]
    ensemble = RefitEnsemble(
        plans=[head.plan for head in heads], temperatures=temperatures, batch_size=16, seed=0
    )
    return ensemble, score(features, heads, ensemble, values)


def score(
    features: TrainingFeatures,
    heads: list[FinalHead],
    ensemble: RefitEnsemble,
    values: np.ndarray,
) -> np.ndarray:
    """Return the calibrated logits of features (images, WIDTH)."""
    pairs = zip(heads, ensemble.temperatures, strict=True)
    return np.mean(
        [score_head(features, head, values) / temperature for head, temperature in pairs], axis=0
    )


def score_head(features: TrainingFeatures, head: FinalHead, values: np.ndarray) -> np.ndarray:
    mean, variance = features.mean_and_variance
    standardised = (values - mean) / np.sqrt(variance + 1e-6)
    return compute_head_logits(head.weights, standardised)[:, 0].astype(np.float64)


if __name__ == "__main__":
    console.run_command(main)
