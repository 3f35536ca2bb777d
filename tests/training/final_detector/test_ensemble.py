"""A detector on several bases is the mean of the detectors on each, in its answers and its cuts."""

from pathlib import Path

import numpy as np
import pytest

from toys.features import make_toy_features, make_toy_spec
from training.calibration import fit_temperature
from training.features.training_features import TrainingFeatures
from training.final_detector.ensemble import train_final_detector
from training.final_detector.final_detector import FinalDetector
from training.head_search.head_spec import HeadTrial
from training.head_search.leaderboard import sort_trials
from training.refits.refit_heads import RefitImages
from training.refits.refit_scores import average_scores, score_by_refits
from training.settings import TrainingSettings

BASES = ("mobilenet_v2", "xception")


def make_features(noise: float) -> TrainingFeatures:
    """Return the toy's features, the more hidden in noise."""
    features = make_toy_features(120)
    random = np.random.default_rng(int(noise))
    for split in (features.train, features.validation):
        split.values[:] += noise * random.normal(size=split.values.shape)
    return features


@pytest.fixture(scope="module")
def features() -> dict[str, TrainingFeatures]:
    return {"mobilenet_v2": make_features(2.0), "xception": make_features(6.0)}


TRIALS = sort_trials(
    [
        HeadTrial(
            spec=make_toy_spec(base=base, learning_rate=rate), loss=0.3 + rate, auc=0.9, epochs=3
        )
        for base in BASES
        for rate in (0.01, 0.02, 0.03)
    ]
)


def train(features: dict[str, TrainingFeatures], folder: Path, *bases: str) -> FinalDetector:
    settings = TrainingSettings(bases=bases, span_bases=len(bases) > 1, ensemble=2, epochs=4)
    trials = [trial for trial in TRIALS if trial.spec.base in bases]
    labels = features["xception"].validation.labels
    return train_final_detector(trials, features, labels, 0, settings, folder)


@pytest.fixture(scope="module")
def detectors(features, tmp_path_factory) -> dict[str, FinalDetector]:
    folder = tmp_path_factory.mktemp("logs")
    alone = {base: train(features, folder / base, base) for base in BASES}
    return {**alone, "both": train(features, folder / "both", *BASES)}


def make_refit_images(features: TrainingFeatures) -> RefitImages:
    values = np.concatenate([features.train.values, features.validation.values])
    count = len(values)
    return RefitImages(
        columns=features.columns,
        values=values,
        judged=values[:, :1],
        labels=np.arange(count) % 2,
        sources=np.array(["camera", "gan", "scanner", "net"] * (count // 4)),
        groups=np.arange(count).astype(str),
    )


def test_its_logit_is_the_mean_of_the_calibrated_ones_at_one_temperature(detectors, features):
    labels = features["xception"].validation.labels
    mean = np.mean([detectors[base].logits for base in BASES], axis=0)
    both = detectors["both"]
    assert both.temperature == fit_temperature(mean, labels)
    assert both.logits == pytest.approx(mean / both.temperature, rel=1e-6)
    assert [head.spec.base for head in both.heads] == [base for base in BASES for _ in range(2)]
    judged = {base: table.validation.judged for base, table in features.items()}
    assert both.compute_logits(judged).mean(axis=1) == pytest.approx(both.logits, abs=1e-4)


def test_a_detector_on_one_base_has_its_temperature_once(detectors):
    for base in BASES:
        (ensemble,) = detectors[base].ensembles
        assert ensemble.temperature == 1.0 != detectors[base].temperature


def test_the_scores_that_set_its_cuts_are_the_means_of_those_of_each(detectors, features):
    settings = TrainingSettings(bases=BASES, span_bases=True)

    def score(detector: FinalDetector) -> list:
        return [
            score_by_refits(make_refit_images(features[base]), refit)
            for base, refit in detector.make_refit_ensembles(settings).items()
        ]

    both = average_scores(score(detectors["both"]))
    (first,), (second,) = (score(detectors[base]) for base in BASES)
    temperature = detectors["both"].temperature
    assert both.folds.logits * temperature == pytest.approx(
        (first.folds.logits + second.folds.logits) / 2, rel=1e-6
    )
    assert set(both.sources) == {(0, "camera"), (0, "scanner"), (1, "gan"), (1, "net")}
    for key, scores in both.sources.items():
        expected = (first.sources[key].logits + second.sources[key].logits) / 2
        assert scores.logits * temperature == pytest.approx(expected, rel=1e-6)


def test_trials_of_several_searches_stand_in_one_order():
    assert [trial.loss for trial in TRIALS] == sorted(trial.loss for trial in TRIALS)
    logistic = make_toy_spec(l2_penalty=1e-3)
    trials = [HeadTrial(spec=logistic, loss=0.1, auc=auc, epochs=1) for auc in (0.7, 0.9)]
    assert [trial.auc for trial in sort_trials(trials)] == [0.9, 0.7]
