"""The features that a head may use, how it is built, and that it learns."""

import dataclasses
import itertools

import keras
import keras_tuner
import numpy as np
import pytest

from toys.features import (
    FEATURE_COLUMNS,
    FEATURE_WIDTH,
    TAP_NAMES,
    assign_generators,
    make_toy_features,
    make_toy_spec,
)
from training import fitting
from training.features.column_selection import compute_column_indices, list_choices, select_columns
from training.features.layout import Column
from training.features.training_features import OTHER_GENERATOR_TARGET, SplitFeatures
from training.head_search import batched_training, head_trainer, heads
from training.head_search.head_spec import HeadSpec
from training.head_search.head_trainer import HeadTrainingPlan
from training.head_search.heads import HeadHyperModel


@pytest.mark.parametrize(
    ("taps", "expected"),
    [
        ("all", TAP_NAMES),
        ("early", TAP_NAMES[:4]),
        ("middle", TAP_NAMES[2:7]),
        ("late", TAP_NAMES[4:]),
        ("top", TAP_NAMES[-1:]),
        ("every third", ["tap2", "tap5", "tap8"]),
    ],
)
def test_tap_sets(taps, expected):
    columns = select_columns(FEATURE_COLUMNS, taps=taps, sizes=(32,), statistics=("mean",))
    assert sorted(column.tap for column in columns) == expected
    assert {(column.size, column.statistic) for column in columns} == {(32, "mean")}


def test_sizes_are_offered_alone_and_together():
    sizes = [column.size for column in FEATURE_COLUMNS]
    assert list_choices(sizes) == ["32+64", "32", "64"]
    assert list_choices(sizes[:1]) == ["32"]
    everything = make_toy_spec(sizes=(32, 64)).select_columns(FEATURE_COLUMNS)
    assert np.array_equal(compute_column_indices(everything), np.arange(FEATURE_WIDTH))


def test_a_class_token_goes_with_every_choice_of_statistics():
    columns = [
        Column(224, tap, statistic, start, start + 1)
        for start, (tap, statistic) in enumerate(
            itertools.product(("block0", "block1"), ("class", "mean", "std"))
        )
    ]
    chosen = select_columns(columns, taps="top", statistics=("mean",))
    assert [(column.tap, column.statistic) for column in chosen] == [
        ("block1", "class"),
        ("block1", "mean"),
    ]
    assert select_columns(columns, taps="all", statistics=("mean", "std")) == columns


@pytest.mark.parametrize("change", [{"sizes": (48,)}, {"signals": ("residual",)}])
def test_a_size_or_signal_that_no_column_has_is_refused(change):
    with pytest.raises(ValueError, match="no column has"):
        make_toy_spec(**change).select_columns(FEATURE_COLUMNS)


def test_signals_are_offered_alone_and_together():
    columns = [
        dataclasses.replace(column, signal="residual" if column.size == 64 else "picture")
        for column in FEATURE_COLUMNS
    ]
    choices = list_choices(column.signal for column in columns)
    assert choices == ["picture+residual", "picture", "residual"]
    residual = make_toy_spec(signals=("residual",)).select_columns(columns)
    assert {column.size for column in residual} == {64}
    both = make_toy_spec(signals=("picture", "residual")).select_columns(columns)
    assert both == columns
    assert both == select_columns(columns, taps="all", statistics=("mean", "std"))


def test_every_base_is_offered_its_own_signals_and_sizes():
    """KerasTuner would otherwise keep the choices of the base that it built first."""
    plain = make_toy_features()
    columns = [
        dataclasses.replace(column, signal="residual" if column.size == 64 else "picture")
        for column in FEATURE_COLUMNS
    ]
    large = [column for column in FEATURE_COLUMNS if column.size == 64]
    features = {
        "both": dataclasses.replace(plain, columns=columns),
        "picture alone": dataclasses.replace(plain, columns=large),
    }
    oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", max_trials=40, seed=1)
    space = keras_tuner.HyperParameters()
    HeadHyperModel(features, 8).build(space)
    oracle.update_space(space)
    specs = [HeadSpec.from_hp(oracle.populate_space(str(number))["values"]) for number in range(40)]
    offered = {
        "both": ({"picture+residual", "picture", "residual"}, {(32, 64), (32,), (64,)}),
        "picture alone": ({"picture"}, {(64,)}),
    }
    for base, (signals, sizes) in offered.items():
        chosen = [spec for spec in specs if spec.base == base]
        assert {"+".join(spec.signals) for spec in chosen} == signals
        assert {spec.sizes for spec in chosen} == sizes
        if base == "picture alone":
            assert all(spec.select_columns(features[base].columns) for spec in chosen)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": 2, "units": 32},
        {"weight_decay": 0.0, "learning_rate": 0.0, "l2_penalty": 1e-4},
    ],
    ids=["linear", "two layers", "logistic regression"],
)
def test_a_spec_survives_the_way_through_keras_tuners_values(changes):
    spec = make_toy_spec(signals=("picture", "residual"), **changes)
    values = spec.to_hp()
    assert HeadSpec.from_hp({**values, "tuner/epochs": 3}) == spec
    assert values["sizes"] == "32+64" and values["signals"] == "picture+residual"
    assert ("units" in values) == ("units" in changes)
    assert ("learning_rate" in values) != ("l2_penalty" in values)
    shape = "2 x 32" if spec.layers else "logistic regression" if spec.l2_penalty else "linear"
    features = "mobilenet_v2 picture+residual all mean+std at 32+64"
    assert spec.describe() == f"{features}, {shape}"


def test_rows_of_all_views_keep_their_labels():
    features = make_toy_features()
    x, y, x_val, y_val = features.make_arrays(FEATURE_COLUMNS)
    assert (x.shape, y.shape, x_val.shape, y_val.shape) == (
        (60, FEATURE_WIDTH),
        (60, 1),
        (60, FEATURE_WIDTH),
        (60, 1),
    )
    assert np.array_equal(x[30:], features.train.values[:, 1])
    assert np.array_equal(y[:30], y[30:])
    assert np.array_equal(y[:30, 0], features.train.labels)


def test_a_head_standardises_what_it_was_built_on_and_is_tame_on_dead_channels():
    features = make_toy_features()
    features.train.values[:, :, 2] = 5.0
    head = heads.build_head(features, FEATURE_COLUMNS[:2], make_toy_spec())
    x, *_ = features.make_arrays(FEATURE_COLUMNS[:2])
    standardised = np.asarray(head.get_layer("standardise")(x))
    assert np.allclose(standardised[:, [0, 1, 3]].std(axis=0), 1, atol=1e-3)
    assert np.allclose(standardised.mean(axis=0), 0, atol=1e-4)
    assert np.array_equal(np.asarray(head(x)), np.zeros((60, 1)))  # a linear head starts undecided


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_head_learns_and_keeps_its_best_epoch(layers):
    keras.utils.set_random_seed(0)
    features = make_toy_features()
    arrays = features.make_arrays(FEATURE_COLUMNS[:4])
    spec = make_toy_spec(layers=layers, units=8, dropout=0.1, learning_rate=1e-2)
    head = heads.build_head(features, FEATURE_COLUMNS[:4], spec)
    history = fitting.fit_head(head, arrays, 16, patience=5, epochs=30).history
    loss, auc = head.evaluate(arrays[2], arrays[3], verbose=0)
    assert auc > 0.9
    assert np.isclose(loss, min(history["val_loss"]), atol=1e-4)
    assert head.count_params() > head.layers[-1].count_params() or layers == 0


def test_every_hyperparameter_that_is_logged_is_in_the_space():
    hp = keras_tuner.HyperParameters()
    for is_logistic in (False, True):
        table = dataclasses.replace(make_toy_features(), is_logistic=is_logistic)
        model = HeadHyperModel({"mobilenet_v2": table, "xception": table}, 16)
        model.build(hp)
        hp.values["layers"] = 0 if is_logistic else 2
        model.build(hp)
        hp.values["layers"] = 0
    names = {field.name for field in dataclasses.fields(HeadSpec)}
    assert names == set(hp.values) == set(HeadSpec.from_hp(hp.values).to_hparams())
    assert hp.space[0].values == ["mobilenet_v2", "xception"]


def test_linear_heads_alone_have_no_hidden_layer_and_all_else_to_choose_from():
    networks, linear = (keras_tuner.HyperParameters() for _ in range(2))
    HeadHyperModel({"mobilenet_v2": make_toy_features()}, 16).build(networks)
    HeadHyperModel({"mobilenet_v2": make_toy_features()}, 16, linear_only=True).build(linear)
    assert HeadSpec.from_hp(linear.values).layers == 0
    choices, of_networks = (
        {value.name: value.get_config() for value in hp.space} for hp in (linear, networks)
    )
    assert choices.pop("layers")["value"] == 0
    assert {name: of_networks[name] for name in choices} == choices
    assert of_networks.keys() - choices.keys() == {"layers"}


def test_with_many_sources_only_penalty_and_statistics_are_searched():
    table = dataclasses.replace(make_toy_features(), is_logistic=True)
    hp = keras_tuner.HyperParameters()
    HeadHyperModel({"mobilenet_v2": table}, 16).build(hp)
    choices = {value.name: value.values for value in hp.space if hasattr(value, "values")}
    searched = {name for name, values in choices.items() if len(values) > 1}
    assert searched == {"statistics", "l2_penalty"}
    spec = HeadSpec.from_hp(hp.values)
    assert (spec.layers, spec.taps, spec.sizes) == (0, "all", (32, 64))


def test_every_generator_has_an_output_that_ignores_the_others():
    features = assign_generators(make_toy_features(), "gan", "diffusion", "gan")
    assert features.generators == ["diffusion", "gan"]
    _, y, _, y_val = features.make_arrays(FEATURE_COLUMNS)
    assert y.shape == y_val.shape == (60, 2, 1)
    sources = np.tile(features.train.sources, 2)
    assert np.array_equal(y[sources == "camera", :, 0], np.zeros((30, 2)))
    assert set(map(tuple, y[sources == "gan", :, 0])) == {(OTHER_GENERATOR_TARGET, 1.0)}
    assert set(map(tuple, y[sources == "diffusion", :, 0])) == {(1.0, OTHER_GENERATOR_TARGET)}


def test_a_single_generator_needs_one_output():
    features = assign_generators(make_toy_features(), "gan")
    assert features.make_arrays(FEATURE_COLUMNS)[1].shape == (60, 1)
    head = heads.build_head(features, FEATURE_COLUMNS, make_toy_spec())
    assert heads.combine_generator_outputs(head) is head


def test_an_output_learns_from_its_generator_and_the_photographs_alone():
    """Each output of a linear head equals a head trained on that generator alone."""
    features = assign_generators(make_toy_features(120, 1), "gan", "diffusion", "gan")
    columns = FEATURE_COLUMNS[:4]
    plan = HeadTrainingPlan(
        spec=make_toy_spec(weight_decay=1e-6, learning_rate=1e-2),
        columns=columns,
        epochs=150,
        patience=200,
    )
    (together,) = batched_training.train_heads(features, [plan], 1000, seed=0)
    mean, variance = features.mean_and_variance
    x = ((features.train.values[:, 0] - mean) / np.sqrt(variance))[
        :, compute_column_indices(columns)
    ]
    for number, name in enumerate(features.generators):
        is_own = np.isin(features.train.sources, ["camera", name])
        alone = dataclasses.replace(
            features,
            train=SplitFeatures(features.train.values[is_own], features.train.labels[is_own]),
            validation=dataclasses.replace(features.validation, sources=()),
        )
        # Standardised as the whole, so that the weights can be compared.
        object.__setattr__(alone, "mean_and_variance", features.mean_and_variance)
        (head,) = batched_training.train_heads(alone, [plan], 1000, seed=0)
        output = head_trainer.compute_head_logits(together.weights, x)[:, number]
        single = head_trainer.compute_head_logits(head.weights, x)[:, 0]
        assert np.corrcoef(output, single)[0, 1] > 0.995


def test_the_most_confident_output_dominates_and_the_undecided_stay_undecided():
    features = assign_generators(make_toy_features(), "gan", "diffusion", "gan")
    head = heads.build_head(features, FEATURE_COLUMNS[:2], make_toy_spec())
    x, *_ = features.make_arrays(FEATURE_COLUMNS[:2])
    assert np.allclose(heads.combine_generator_outputs(head)(x), 0, atol=1e-6)
    kernel = np.zeros(head.get_layer("logit").get_weights()[0].shape)
    head.get_layer("logit").set_weights([kernel, np.array([20.0, -5.0])])
    assert np.allclose(heads.combine_generator_outputs(head)(x), 20 - np.log(2), atol=1e-4)
