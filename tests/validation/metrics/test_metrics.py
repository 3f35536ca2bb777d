"""Metrics agree with scikit-learn and published examples, intervals with theory; edge cases are
n/a."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from training.cuts.cut import Cut
from training.cuts.operating_point import OperatingPoint
from validation.metrics.estimates import estimate_metrics
from validation.metrics.metrics import METRICS
from validation.metrics.reliability import compute_chance_calibration_error
from validation.metrics.scored_images import ScoredImages, WeightedImages


def make_scored(
    n: int = 300, gap: float = 1.0, groups: np.ndarray | None = None, ties: bool = False
) -> ScoredImages:
    generator = np.random.default_rng(n)
    labels = np.arange(n) % 2
    scores = 1 / (1 + np.exp(-(generator.normal(size=n) + gap * (labels - 0.5))))
    return ScoredImages(
        scores.round(1) if ties else scores, labels, np.arange(n) if groups is None else groups, 0.6
    )


def expected(scored: ScoredImages, weights: np.ndarray | None = None) -> dict[str, float]:
    """Return scikit-learn's values; ECE and EER, which it lacks, by their definitions."""
    predicted, p, y, w = (
        scored.probabilities >= scored.threshold,
        scored.probabilities,
        scored.labels,
        weights,
    )
    fpr, tpr, _ = sklearn_metrics.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    weight = np.ones(len(y)) if w is None else w
    bins = np.digitize(p, np.linspace(0, 1, 16)[1:-1])
    ece = (
        sum(abs(np.sum((weight * (y - p))[bins == number])) for number in range(15)) / weight.sum()
    )
    rates = np.linspace(0, 1, 100_001)
    eer = rates[np.argmin(np.abs(np.interp(rates, fpr, 1 - tpr) - rates))]
    at_threshold = {
        f"{images} {phrase}": np.average(called[y == label], weights=weight[y == label])
        for label, images in ((0, "photographs"), (1, "generated images"))
        for phrase, called in (
            ("called generated", predicted),
            ("called real", ~predicted),
            ("answered can't tell", np.zeros(len(y))),
        )
    }
    return at_threshold | {
        "ROC AUC": sklearn_metrics.roc_auc_score(y, p, sample_weight=w),
        "balanced accuracy": sklearn_metrics.balanced_accuracy_score(y, predicted, sample_weight=w),
        "TPR": sklearn_metrics.recall_score(y, predicted, sample_weight=w),
        "FPR": 1 - sklearn_metrics.recall_score(y, predicted, pos_label=0, sample_weight=w),
        "accuracy": sklearn_metrics.accuracy_score(y, predicted, sample_weight=w),
        "precision": sklearn_metrics.precision_score(y, predicted, sample_weight=w),
        "F1": sklearn_metrics.f1_score(y, predicted, sample_weight=w),
        "MCC": sklearn_metrics.matthews_corrcoef(y, predicted, sample_weight=w),
        "average precision": sklearn_metrics.average_precision_score(y, p, sample_weight=w),
        "EER": pytest.approx(eer, abs=2e-5),
        "TPR at 1% FPR": tpr[fpr <= 0.01].max(),
        "TPR at 5% FPR": tpr[fpr <= 0.05].max(),
        "balanced accuracy at 0.5": sklearn_metrics.balanced_accuracy_score(
            y, p >= 0.5, sample_weight=w
        ),
        "Brier score": sklearn_metrics.brier_score_loss(y, p, sample_weight=w),
        "log loss": sklearn_metrics.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), sample_weight=w),
        "ECE": ece,
    }


def are_close(values: dict[str, float], wanted: dict[str, float]) -> bool:
    assert values.keys() == wanted.keys()
    return values == {
        name: value if name == "EER" else pytest.approx(value) for name, value in wanted.items()
    }


@pytest.mark.parametrize("ties", [False, True])
def test_values_are_scikit_learns(ties):
    scored = make_scored(2200, ties=ties)
    estimates = estimate_metrics(scored, replicates=10)
    assert are_close(
        {name: estimate.value for name, estimate in estimates.items()}, expected(scored)
    )


@pytest.mark.parametrize("ties", [False, True])
def test_a_replicate_is_the_metric_of_the_resampled_images(ties):
    scored = make_scored(ties=ties)
    weights = np.random.default_rng(1).integers(0, 3, (3, 300)).astype(float)
    sample = WeightedImages(scored, weights)
    for number, row in enumerate(weights):
        values = {name: float(metric.compute(sample)[number]) for name, metric in METRICS.items()}
        assert are_close(values, expected(scored, row))


def test_the_example_of_fawcett_2006():
    """An introduction to ROC analysis, Pattern Recognition Letters 27, figure 3: its highest
    accuracy is 70%, at .54."""
    scores = [0.9, 0.8, 0.7, 0.6, 0.55, 0.54, 0.53, 0.52, 0.51, 0.505]
    scores += [0.4, 0.39, 0.38, 0.37, 0.36, 0.35, 0.34, 0.33, 0.3, 0.1]
    labels = [int(letter == "p") for letter in "ppnpppnnpnpnpnnnpnpn"]
    estimates = estimate_metrics(
        ScoredImages(np.array(scores), np.array(labels), np.arange(20), 0.54), replicates=10
    )
    assert [round(estimates[name].value, 3) for name in ("accuracy", "TPR", "FPR", "ROC AUC")] == [
        0.7,
        0.5,
        0.1,
        0.68,
    ]


def test_the_example_of_chicco_and_jurman_2020():
    """The advantages of the MCC, BMC Genomics 21, use case A1: accuracy .90 and F1 .95 of a
    classifier with an MCC of -.03."""
    labels = np.repeat([1, 1, 0], [90, 1, 9])
    scores = np.repeat([0.9, 0.1, 0.9], [90, 1, 9])
    estimates = estimate_metrics(ScoredImages(scores, labels, np.arange(100), 0.5), replicates=10)
    assert [round(estimates[name].value, 2) for name in ("accuracy", "F1", "MCC")] == [
        0.9,
        0.95,
        -0.03,
    ]


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    estimate = estimate_metrics(make_scored(2000))["FPR"]
    spread = 1.96 * np.sqrt(estimate.value * (1 - estimate.value) / 1000)
    assert estimate.high - estimate.low == pytest.approx(2 * spread, rel=0.1)


def test_images_of_one_group_count_as_one():
    """Ten copies of every image change nothing if they are in one group."""
    few = make_scored(100)
    many = ScoredImages(
        np.tile(few.probabilities, 10), np.tile(few.labels, 10), np.tile(np.arange(100), 10), 0.6
    )
    apart = ScoredImages(many.probabilities, many.labels, np.arange(1000), 0.6)
    widths = [
        (lambda estimate: estimate.high - estimate.low)(
            estimate_metrics(scored, ["ROC AUC"])["ROC AUC"]
        )
        for scored in (few, many, apart)
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    assert widths[2] < widths[0] / 2


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = []
    for seed in range(100):
        generator = np.random.default_rng(seed)
        labels = np.arange(160) % 2
        scores = generator.normal(size=160) + 1.5 * labels
        estimate = estimate_metrics(
            ScoredImages(scores, labels, np.arange(160), 0.75), ["ROC AUC"], replicates=300
        )["ROC AUC"]
        covered.append(estimate.low <= 0.8556 <= estimate.high)  # Phi(1.5 / sqrt 2)
    assert 0.88 <= np.mean(covered) <= 1


def test_one_class_alone_gives_its_own_rate_and_nothing_else():
    real = ScoredImages(np.linspace(0, 1, 50), np.zeros(50, int), np.arange(50), 0.5)
    estimates = estimate_metrics(real, replicates=20)
    known = {name for name, estimate in estimates.items() if not np.isnan(estimate.value)}
    answers = {f"photographs {answer}" for answer in ("called generated", "called real")}
    assert known == {"FPR", "photographs answered can't tell", *answers}
    assert estimates["FPR"].value == 0.5 and estimates["FPR"].known
    assert str(estimates["TPR"]) == str(estimates["ROC AUC"]) == "n/a (no generated images)"


def test_shares_of_the_three_answers_have_an_interval_however_few_images_there_are():
    point = OperatingPoint(
        false_alarm_cut=Cut(target=0.05, limit=0.8), miss_cut=Cut(target=0.05, limit=0.3)
    )
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    scores = np.array([0.1, 0.2, 0.5, 0.9, 0.9, 0.9, 0.5, 0.1])
    scored = ScoredImages(scores, labels, np.arange(8), 0.5, point)
    estimates = estimate_metrics(scored, replicates=20)
    shares = {
        f"{images} {answer}": estimates[f"{images} {answer}"]
        for images in ("photographs", "generated images")
        for answer in ("called generated", "called real", "answered can't tell")
    }
    assert [share.value for share in shares.values()] == [0.25, 0.5, 0.25, 0.5, 0.25, 0.25]
    assert all(share.low < share.value < share.high for share in shares.values())


def test_a_constant_score_is_a_coin():
    estimates = estimate_metrics(
        ScoredImages(np.full(50, 0.3), np.arange(50) % 2, np.arange(50), 0.5), replicates=20
    )
    names = ("ROC AUC", "balanced accuracy", "average precision", "EER", "MCC", "precision")
    assert [estimates[name].value for name in names[:5]] == [0.5, 0.5, 0.5, 0.5, 0]
    assert str(estimates["precision"]) == "n/a (nothing was called generated)"


def test_a_rate_at_a_low_false_alarm_rate_needs_photographs_enough():
    few, enough = (
        estimate_metrics(make_scored(n), ["TPR at 5% FPR", "TPR at 1% FPR"], 10) for n in (598, 600)
    )
    assert [str(estimate) for estimate in few.values()] == [
        "n/a (299 independent photographs, 300 needed)",
        "n/a (299 independent photographs, 1,000 needed)",
    ]
    assert [np.isnan(estimate.value) for estimate in enough.values()] == [False, True]


def test_a_probability_of_one_is_in_the_last_bin_and_a_sure_mistake_has_a_finite_loss():
    sure = ScoredImages(np.array([1.0, 1.0, 0.0, 0.0]), np.array([1, 0, 0, 1]), np.arange(4), 0.5)
    estimates = estimate_metrics(sure, replicates=10)
    assert (estimates["ECE"].value, estimates["log loss"].value) == (
        0.5,
        pytest.approx(-np.log(1e-7) / 2, rel=1e-6),
    )


def test_no_error_at_all_is_not_certainty():
    perfect = ScoredImages(np.repeat([0.1, 0.9], 30), np.repeat([0, 1], 30), np.arange(60), 0.5)
    estimates = estimate_metrics(perfect, replicates=50)
    assert (estimates["TPR"].low, estimates["TPR"].high) == (
        pytest.approx(0.025 ** (1 / 30)),
        1,
    )  # Clopper and Pearson
    assert (estimates["FPR"].low, estimates["FPR"].high) == (
        0,
        pytest.approx(1 - 0.025 ** (1 / 30)),
    )
    assert 0.85 < estimates["ROC AUC"].low < 0.95 and estimates["ROC AUC"].high == 1
    for name in ("balanced accuracy", "MCC", "F1", "average precision"):
        assert 0.5 < estimates[name].low < 0.97 and estimates[name].high == 1, name
    for name in ("EER", "Brier score", "log loss"):
        assert estimates[name].high > estimates[name].value + 0.01, name


def test_an_error_more_never_makes_an_interval_more_sure():
    lows = []
    for wrong in range(4):
        scores = np.repeat([0.1, 0.9], 30)
        scores[30 : 30 + wrong] = 0.05
        estimates = estimate_metrics(
            ScoredImages(scores, np.repeat([0, 1], 30), np.arange(60), 0.5),
            ["ROC AUC", "TPR", "accuracy"],
            400,
        )
        lows.append([estimate.low for estimate in estimates.values()])
    assert np.all(np.diff(lows, axis=0) < 0)


def test_no_interval_lies_beside_its_value_or_outside_what_can_be():
    generator = np.random.default_rng(0)
    for scores in (
        np.full(60, 0.3),
        generator.random(60),
        np.full(60, 1.0),
        np.repeat([0.1, 0.9], 30),
        np.repeat([0.9, 0.1], 30),
    ):
        for name, estimate in estimate_metrics(
            ScoredImages(scores, np.repeat([0, 1], 30), np.arange(60), 0.5), replicates=100
        ).items():
            lowest = -1 if name == "MCC" else 0
            assert (
                not estimate.known or lowest <= estimate.low <= estimate.value <= estimate.high
            ), name
            assert not estimate.known or name == "log loss" or estimate.high <= 1, name


def test_a_calibrated_detector_stays_under_the_error_that_chance_allows_it():
    generator = np.random.default_rng(0)
    under = 0
    for _ in range(60):
        scores = generator.random(150)
        sample = ScoredImages(
            scores, (generator.random(150) < scores).astype(int), np.arange(150), 0.5
        )
        under += estimate_metrics(sample, ["ECE"])["ECE"].value <= compute_chance_calibration_error(
            sample
        )
    assert 0.85 <= under / 60 <= 1
    loud = ScoredImages(
        np.where(np.arange(300) % 2, 0.99, 0.01), generator.integers(0, 2, 300), np.arange(300), 0.5
    )
    assert estimate_metrics(loud, ["ECE"])["ECE"].value > 3 * compute_chance_calibration_error(loud)
